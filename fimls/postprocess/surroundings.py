"""The code around a cursor as the steps compare it: brackets, lines and their depth, no strings.

The code that counts is the cursor's unit, what stands between two lines at the left margin: a
function, a class, a statement at the top level.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from fimls.postprocess.brackets import blank_text, net_brackets, unmatched
from fimls.postprocess.draft import (
    NEAR_CHARACTERS,
    is_at_start_of_text,
    rest_of_line,
    typed_on_line,
)
from fimls.postprocess.lines import indent_columns, split_lines
from fimls.syntax import get_language
from fimls.types import CompletionContext

# A line at the left margin that begins something: no clause, label, bracket or comment.
_UNIT_START = re.compile(
    r"^(?!(?:elif|else|except|finally|catch|case|default)\b|\w+\s*:\s*$)[\w@.$<&~]", re.MULTILINE
)
_CONTEXTS_KEPT = 4


@dataclass(frozen=True, slots=True)
class CodeLine:
    """A line of code.

    start: its offset. indent: in columns. code: without what surrounds it.
    depth: brackets open at its start; with any, it continues another line.
    """

    start: int
    indent: int
    code: str
    depth: int


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a completion at a cursor must fit.

    known: False where the unit is too large to be seen whole, or the cursor in a text of several
        lines; nothing can be told then.
    above: the unit's code above the cursor's line. lines: its lines of code.
    rest: the cursor's line from the cursor on; "" where that line moves down.
    following: the next line of code from the cursor on, of any unit.
    names: the words of the unit's code, without the cursor's line before the cursor.
    missing: of each kind in ``PAIRS``, closing brackets that the code below has and the code before
        the cursor has no opening ones for; negative: opening ones that it doesn't close.
    header: finds the end of a block's header; None where indentation does not make blocks.
    """

    known: bool
    above: str
    lines: tuple[CodeLine, ...]
    rest: str
    following: CodeLine | None
    names: frozenset[str]
    missing: tuple[int, ...]
    header: re.Pattern[str] | None


@lru_cache(maxsize=_CONTEXTS_KEPT)
def surroundings_of(context: CompletionContext) -> Surroundings:
    """Read the code around the cursor. Kept for the last few: a generation asks for each token."""
    language = get_language(context.language_id)
    before, start_known = _unit_before(context.prefix)
    after, end_known = _unit_after(context.suffix)
    typed = typed_on_line(context)
    above, inside_above = blank_text(before[: len(before) - len(typed)], context.language_id)
    code_before, inside = blank_text(before, context.language_id)
    below, _ = blank_text(after, context.language_id)
    near, _ = blank_text(context.suffix[:NEAR_CHARACTERS], context.language_id)
    rest = "" if is_at_start_of_text(context) else below[: len(rest_of_line(context))]
    following = code_lines(near[len(rest) :])
    return Surroundings(
        known=start_known and end_known and not inside and not inside_above,
        above=above,
        lines=code_lines(above),
        rest=rest,
        following=following[0] if following else None,
        names=frozenset(re.findall(r"\w+", f"{above}\n{below}")),
        missing=tuple(
            closed - opened
            for (closed, _), (_, opened) in zip(
                unmatched(below), unmatched(code_before), strict=True
            )
        ),
        header=re.compile(language.block_header) if language and language.filler else None,
    )


def code_lines(code: str, offset: int = 0, depth: int = 0) -> tuple[CodeLine, ...]:
    """The lines that aren't blank. offset, depth: where the first one starts."""
    lines = []
    for start, line in split_lines(code):
        if line.strip():
            lines.append(CodeLine(offset + start, indent_columns(line), line.strip(), depth))
            depth = max(depth + net_brackets(line), 0)
    return tuple(lines)


def _unit_before(prefix: str) -> tuple[str, bool]:
    """The text from the last line at the left margin on, and whether that was found."""
    near = prefix[-NEAR_CHARACTERS:]
    start = -1
    for match in _UNIT_START.finditer(near):
        start = match.start()
    if start > 0 or len(prefix) <= NEAR_CHARACTERS:
        return near[max(start, 0) :], True
    return near, False


def _unit_after(suffix: str) -> tuple[str, bool]:
    """The text up to the next line at the left margin, and whether that was found."""
    near = suffix[:NEAR_CHARACTERS]
    following = _UNIT_START.search(near, 1)
    if following:
        return near[: following.start()], True
    return near, len(suffix) <= NEAR_CHARACTERS
