"""The code around a cursor, and whether a completion and the code after it fit together.

They fit if their brackets, indentation and reachability do, in code without strings and comments.
Only the cursor's unit counts, the code between two lines at the left margin: a function, a class, a
statement at the top level.

No parser is asked: tree-sitter's Python grammar takes an unexpected indent or an empty block for no
error, and a parse costs more than a token may.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter

from fimls.postprocess.brackets import blank_text, joined, net_brackets, nets, unmatched
from fimls.postprocess.draft import (
    NEAR_CHARACTERS,
    indent_columns,
    is_at_start_of_text,
    rest_of_line,
    split_lines,
    typed_on_line,
)
from fimls.syntax import get_language
from fimls.syntax.language import CLAUSES, Clauses
from fimls.types import CompletionContext

JUMP = re.compile(r"(?:return|raise|break|continue|throw|goto)\b")
"""Begins a statement after which nothing at its depth is reached."""

# What may follow a jump at its own depth: the block's end, a label, a hoisted function.
_AFTER_JUMP = re.compile(
    r"[)\]}#@]|;;|(?:case|default|else|elif|except|finally|catch|function|async\s+function|end"
    r"|when|rescue|fn|func|class)\b|\w+\s*:(?!=)"
)
_FIRST_WORD = re.compile(r"\w*")
# A line at the left margin that begins something: no clause, label, bracket or comment.
_UNIT_START = re.compile(
    r"^(?!(?:elif|else|except|finally|catch|case|default)\b|\w+\s*:\s*$)[\w@.$<&~]", re.MULTILINE
)
_WORD = re.compile(r"\w+")
_CONTEXTS_KEPT = 4
_CODE_KEPT = 16


@dataclass(frozen=True, slots=True)
class CodeLine:
    """A line of code."""

    start: int
    """Its offset, in code points."""

    indent: int
    """In columns."""

    code: str
    """Without the blank space around it."""

    depth: int
    """How many brackets are open at its start; with any, it continues another line."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a completion at a cursor must fit."""

    known: bool
    """False where nothing can be told: the unit is too large to be seen whole, or the cursor is in
    a string or comment of several lines."""

    above: str
    """The unit's code above the cursor's line."""

    lines: tuple[CodeLine, ...]
    """The lines of ``above``."""

    rest: str
    """The cursor's line from the cursor on; "" where that line moves down."""

    following: CodeLine | None
    """The next line of code from the cursor on, of any unit."""

    names: frozenset[str]
    """The words of the unit's code, except those before the cursor on its line."""

    missing: tuple[int, ...]
    """Of each kind in ``PAIRS``, the closing brackets below for which the code before the cursor
    has no opening ones; negative: opening ones that the code below doesn't close."""

    header: re.Pattern[str] | None
    """Finds the end of a block's header; None where indentation does not make blocks."""


@lru_cache(maxsize=_CONTEXTS_KEPT)
def surroundings_of(context: CompletionContext) -> Surroundings:
    """Read the code around the cursor. Some results are kept: a generation asks at each token."""
    language_id = context.language_id
    language = get_language(language_id)
    before, start_known = _unit_before(context.prefix)
    after, end_known = _unit_after(context.suffix)
    typed = typed_on_line(context)
    above, text_above = _code(before[: len(before) - len(typed)], language_id)
    line, text_on_line = _code(typed, language_id)
    below, _ = _code(after, language_id)
    rest = "" if is_at_start_of_text(context) else below[: len(rest_of_line(context))]
    opened_before = joined(_unmatched(above), _unmatched(line))
    return Surroundings(
        known=start_known and end_known and not text_above and not text_on_line,
        above=above,
        lines=_lines_above(above),
        rest=rest,
        following=_following(context.suffix[:NEAR_CHARACTERS], language_id, len(rest)),
        names=_words(above) | _words(below),
        missing=tuple(
            closed - opened
            for (closed, _), (_, opened) in zip(_unmatched(below), opened_before, strict=True)
        ),
        header=re.compile(language.block_header) if language and language.indented else None,
    )


# The code above the cursor's line, and below the cursor, stays the same from key to key.
_code = lru_cache(maxsize=_CODE_KEPT)(blank_text)
_unmatched = lru_cache(maxsize=_CODE_KEPT)(unmatched)


@lru_cache(maxsize=_CODE_KEPT)
def _words(code: str) -> frozenset[str]:
    return frozenset(_WORD.findall(code))


@lru_cache(maxsize=_CONTEXTS_KEPT)
def _lines_above(code: str) -> tuple[CodeLine, ...]:
    return tuple(code_lines(code))


@lru_cache(maxsize=_CONTEXTS_KEPT)
def _following(suffix: str, language_id: str, start: int) -> CodeLine | None:
    """The first line of code in a suffix from ``start`` on."""
    code, _ = _code(suffix, language_id)
    return next(code_lines(code[start:]), None)


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
    # From a line's start, so that each key doesn't move its beginning.
    return near[near.find("\n") + 1 :], False


def _unit_after(suffix: str) -> tuple[str, bool]:
    """The text up to the next line at the left margin, and whether that was found."""
    near = suffix[:NEAR_CHARACTERS]
    following = _UNIT_START.search(near, 1)
    if following:
        return near[: following.start()], True
    return near, len(suffix) <= NEAR_CHARACTERS


class Seam:
    """A text at a cursor, cut at any place, and the code below: do they fit?"""

    def __init__(self, text: str, context: CompletionContext) -> None:
        typed = typed_on_line(context)
        self.around = surroundings_of(context)
        self._clauses = clauses_of(context.language_id)
        above = self.around.above
        self._begin = len(above) + len(typed)
        code, _ = blank_text(typed + text, context.language_id)
        self._code = above + code
        last = self.around.lines[-1] if self.around.lines else None
        depth = max(last.depth + net_brackets(last.code), 0) if last else 0
        self._lines = [*self.around.lines, *code_lines(code, len(above), depth)]

    def fits(self, end: int) -> bool:
        """Whether the text up to ``end`` leaves the code below as good as it can be."""
        following, header = self.around.following, self.around.header
        lines = self.lines_until(end)
        if not self.around.known or not lines:
            return True
        if self.misplaced(end):
            return False
        if header is None:
            return not self._unreachable(lines[-1])
        if net_brackets(lines[-1].code) + lines[-1].depth > 0:
            return True
        statement = next((line for line in reversed(lines) if not line.depth), lines[0])
        if header.search(lines[-1].code):
            return following is not None and following.indent > statement.indent
        return following is None or (
            not self._unreachable(statement) and _continues(lines, following, self._clauses)
        )

    def excess(self, end: int) -> tuple[int, ...]:
        """How many brackets too many of each kind the text up to ``end`` opens; negative: closes.

        It is right to open those that the code below closes, and to close those that the code above
        left open, and as right to do neither.
        """
        written = nets(self._code[self._begin : self._begin + end])
        ranges = [sorted((0, missing)) for missing in self.around.missing]
        return tuple(
            net - min(max(net, low), high) for net, (low, high) in zip(written, ranges, strict=True)
        )

    def misplaced(self, end: int) -> int:
        """How many brackets the text up to ``end`` has too many or too few; 0 if unknown."""
        return sum(map(abs, self.excess(end))) if self.around.known else 0

    def is_balanced(self, end: int) -> bool:
        """Whether the text up to ``end`` opens exactly the brackets that are missing.

        Where somebody is still writing, some may well be missing: see :meth:`excess`.
        """
        written = nets(self._code[self._begin : self._begin + end])
        return self.around.known and written == self.around.missing

    def takes_clause(self, start: int, indent: int, code: str) -> bool:
        """Whether a line like ``else:`` belongs to a statement before ``start`` in the text."""
        return _clause_belongs(self.lines_until(start), indent, code, self._clauses)

    def lines_until(self, end: int) -> list[CodeLine]:
        """The unit's lines of code up to a place in the text.

        The rest of the cursor's line is part of the last one.
        """
        position = self._begin + end
        lines = self._lines[: bisect_left(self._lines, position, key=attrgetter("start"))]
        if lines:
            last = lines[-1]
            code = self._code[last.start : position].strip() + self.around.rest
            lines[-1] = CodeLine(last.start, last.indent, code.strip(), last.depth)
        return lines

    def written(self, start: int = 0) -> str:
        """The text's code from a place on."""
        return self._code[self._begin + start :]

    def is_named_elsewhere(self, name: str, line: CodeLine) -> bool:
        """Whether a name occurs in the unit's code above a line or below the cursor."""
        written = self._code[len(self.around.above) : line.start]
        return name in self.around.names or name in re.findall(r"\w+", written)

    def is_written(self, line: CodeLine) -> bool:
        """Whether a line is the cursor's or the text's."""
        return line.start >= len(self.around.above)

    def _unreachable(self, last: CodeLine) -> bool:
        """Whether the code below can't be reached: it follows a jump at the same depth."""
        following = self.around.following
        return (
            following is not None
            and JUMP.match(last.code) is not None
            and following.indent == last.indent
            and _AFTER_JUMP.match(following.code) is None
        )


def clauses_of(language_id: str) -> Clauses:
    """The first words of a language's clauses, and what each may follow."""
    language = get_language(language_id)
    return language.clauses if language else CLAUSES


def _continues(lines: Sequence[CodeLine], following: CodeLine, clauses: Clauses) -> bool:
    """Whether a line is at the depth of one of the open blocks."""
    if first_word(following.code) in clauses:
        return _clause_belongs(lines, following.indent, following.code, clauses)
    least: int | None = None
    for line in reversed(lines):
        if line.depth or (least is not None and line.indent >= least):
            continue
        least = line.indent
        if least <= following.indent:
            break
    return least is None or least == following.indent


def _clause_belongs(lines: Sequence[CodeLine], indent: int, code: str, clauses: Clauses) -> bool:
    heads = clauses.get(first_word(code), frozenset())
    for line in reversed(lines):
        if line.depth == 0 and line.indent <= indent:
            return line.indent == indent and first_word(line.code) in heads
    return False


def first_word(code: str) -> str:
    """The word that a line of code begins with, "" for none."""
    match = _FIRST_WORD.match(code)
    return match[0] if match else ""
