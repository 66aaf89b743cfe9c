"""The code around a cursor as the steps compare it: brackets, lines and their depth, no strings.

The code that counts is the cursor's unit, what stands between two lines at the left margin: a
function, a class, a statement at the top level.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from fimls.postprocess.brackets import blank_text, joined, net_brackets, unmatched
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
_WORD = re.compile(r"\w+")
_CONTEXTS_KEPT = 4
_CODE_KEPT = 16


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


@dataclass(frozen=True, slots=True)
class _Code:
    """Code without its texts, with what is found out about it.

    inside: whether its end stands in a text of several lines. unmatched: see ``brackets``.
    """

    code: str
    inside: bool
    names: frozenset[str]
    unmatched: tuple[tuple[int, int], ...]


@lru_cache(maxsize=_CONTEXTS_KEPT)
def surroundings_of(context: CompletionContext) -> Surroundings:
    """Read the code around the cursor. Kept for the last few: a generation asks for each token."""
    language_id = context.language_id
    language = get_language(language_id)
    before, start_known = _unit_before(context.prefix)
    after, end_known = _unit_after(context.suffix)
    typed = typed_on_line(context)
    above = _code(before[: len(before) - len(typed)], language_id)
    line = _code(typed, language_id)
    below = _code(after, language_id)
    rest = "" if is_at_start_of_text(context) else below.code[: len(rest_of_line(context))]
    return Surroundings(
        known=start_known and end_known and not above.inside and not line.inside,
        above=above.code,
        lines=_lines_above(above.code),
        rest=rest,
        following=_following(context.suffix[:NEAR_CHARACTERS], language_id, len(rest)),
        names=above.names | below.names,
        missing=tuple(
            closed - opened
            for (closed, _), (_, opened) in zip(
                below.unmatched, joined(above.unmatched, line.unmatched), strict=True
            )
        ),
        header=re.compile(language.block_header) if language and language.indented else None,
    )


# What stands above the cursor's line, and below the cursor, stays the same from key to key.
@lru_cache(maxsize=_CODE_KEPT)
def _code(text: str, language_id: str) -> _Code:
    code, inside = blank_text(text, language_id)
    return _Code(code, inside, frozenset(_WORD.findall(code)), unmatched(code))


@lru_cache(maxsize=_CONTEXTS_KEPT)
def _lines_above(code: str) -> tuple[CodeLine, ...]:
    return tuple(code_lines(code))


@lru_cache(maxsize=_CONTEXTS_KEPT)
def _following(suffix: str, language_id: str, start: int) -> CodeLine | None:
    """The first line of code in a suffix from ``start`` on."""
    return next(code_lines(_code(suffix, language_id).code[start:]), None)


def code_lines(code: str, offset: int = 0, depth: int = 0) -> Iterator[CodeLine]:
    """The lines that aren't blank. offset, depth: where the first one starts."""
    for start, line in split_lines(code):
        if stripped := line.strip():
            yield CodeLine(offset + start, indent_columns(line), stripped, depth)
            depth = max(depth + net_brackets(stripped), 0)


def _unit_before(prefix: str) -> tuple[str, bool]:
    """The text from the last line at the left margin on, and whether that was found."""
    near = prefix[-NEAR_CHARACTERS:]
    start = -1
    for match in _UNIT_START.finditer(near):
        start = match.start()
    if start > 0 or len(prefix) <= NEAR_CHARACTERS:
        return near[max(start, 0) :], True
    # From a line's start, so that it doesn't begin elsewhere at each key.
    return near[near.find("\n") + 1 :], False


def _unit_after(suffix: str) -> tuple[str, bool]:
    """The text up to the next line at the left margin, and whether that was found."""
    near = suffix[:NEAR_CHARACTERS]
    following = _UNIT_START.search(near, 1)
    if following:
        return near[: following.start()], True
    return near, len(suffix) <= NEAR_CHARACTERS
