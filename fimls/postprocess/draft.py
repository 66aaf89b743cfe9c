"""A completion on its way through the steps, its lines, and the text around it.

A step looks at a bounded part of the document, so that a document of any size costs the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from fimls.types import CompletionContext, FinishReason

NEAR_CHARACTERS = 8_000
"""How far around the cursor a step looks, in code points on each side."""

# As in ``text``; not str.splitlines, which also breaks at form feeds, U+2028 and others.
LINE_END = re.compile(r"\r\n?|\n")
_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")
_ONLY_CLOSERS = re.compile(r"\s*[)\]}]+[;,]?\s*")
_WORD_CHARS_OF_DISTINCT_LINE = 5
_TAB_COLUMNS = 8

Left = tuple[str, bool]
"""What a step leaves: a text, and whether its end is right as it is (see :class:`Draft`)."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A completion on its way through the steps."""

    text: str
    context: CompletionContext
    finish_reason: FinishReason
    ended: bool = False
    """Whether the text's end is right as it is: the model stopped there and its brackets fit, or
    what it wrote next follows the cursor anyway."""

    stopped: bool = False
    """Whether the model itself ended the generation."""

    def leave(self, text: str, *, ended: bool = False) -> Left:
        """A step's result. ended: of a text that the step changed; an unchanged one keeps its."""
        return text, self.ended if text == self.text else ended


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
    """Whether the cursor is before text that stays on its line."""
    return bool(rest_of_line(context).strip()) and not is_at_start_of_text(context)


def lines_below(context: CompletionContext) -> list[str]:
    """The first two lines with text after the completion, without their ends.

    The rest of the cursor's line is one of them only if it will be a line of its own.
    """
    own = None if is_at_start_of_text(context) else 0
    lines = split_lines(context.suffix[:NEAR_CHARACTERS])
    below = (line.rstrip() for start, line in lines if start != own)
    return list(islice(filter(None, below), 2))


def last_line(text: str) -> str:
    """What follows the last line end."""
    return text[max(text.rfind("\n"), text.rfind("\r")) + 1 :]


def split_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a text with their ends, each with the offset of its start."""
    return ((match.start(), match[0]) for match in _LINE.finditer(text))


def indentation(line: str) -> str:
    """The spaces and tabs that a line begins with."""
    return line[: len(line) - len(line.lstrip(" \t"))]


def indent_columns(line: str) -> int:
    """How many columns a line is indented, a tab up to the next multiple of eight."""
    return len(indentation(line).expandtabs(_TAB_COLUMNS))


def only_closes(line: str) -> bool:
    """Whether a line holds closing brackets only, with a comma or semicolon at most."""
    return _ONLY_CLOSERS.fullmatch(line) is not None


def is_distinct(text: str) -> bool:
    """Whether a text says too much to be there twice: a lone ``}`` or ``else:`` doesn't."""
    return len(re.findall(r"\w", text)) >= _WORD_CHARS_OF_DISTINCT_LINE
