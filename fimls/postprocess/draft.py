"""A completion on its way through the steps, and the text that stands around it.

Steps look at a bounded neighbourhood, so that a document of any size costs the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from fimls.postprocess.lines import LINE_END, last_line, split_lines
from fimls.types import CompletionContext, FinishReason

NEAR_CHARACTERS = 8_000
"""How far around the cursor a step looks, in code points on each side."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A completion on its way through the steps.

    ended: its end is right as it is: the model itself ended it there, or it went on with what
    follows the cursor anyway.
    """

    text: str
    context: CompletionContext
    finish_reason: FinishReason
    ended: bool = False


Step = Callable[[Draft], str]
"""Takes the text so far and returns the text it leaves."""


def typed_on_line(context: CompletionContext) -> str:
    """The cursor's line up to the cursor."""
    return last_line(context.prefix[-NEAR_CHARACTERS:])


def rest_of_line(context: CompletionContext) -> str:
    """The cursor's line from the cursor on."""
    return LINE_END.split(context.suffix[:NEAR_CHARACTERS], maxsplit=1)[0]


def is_at_start_of_text(context: CompletionContext) -> bool:
    """Whether the cursor is at the start of a line that has text, so that this line moves down."""
    return not typed_on_line(context) and bool(rest_of_line(context).strip())


def goes_on_in_line(context: CompletionContext) -> bool:
    """Whether the cursor is in front of text that stays on its line."""
    return bool(rest_of_line(context).strip()) and not is_at_start_of_text(context)


def lines_below(context: CompletionContext) -> list[str]:
    """The first two lines with text after the completion, without their ends.

    The cursor's own rest of line is one of them only if it will stand below.
    """
    own = None if is_at_start_of_text(context) else 0
    lines = split_lines(context.suffix[:NEAR_CHARACTERS])
    below = (line.rstrip() for start, line in lines if start != own)
    return list(islice(filter(None, below), 2))
