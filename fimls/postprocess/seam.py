"""Whether a completion and the code after it fit together: brackets, indentation, reachability.

Python's grammar for tree-sitter takes an unexpected indent or an empty block without an error, and
a parse costs more than a token may: so lines are looked at here.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from operator import attrgetter

from fimls.postprocess.brackets import blank_text, net_brackets, nets
from fimls.postprocess.draft import typed_on_line
from fimls.postprocess.surroundings import CodeLine, code_lines, surroundings_of
from fimls.types import CompletionContext

JUMP = re.compile(r"(?:return|raise|break|continue|throw|goto)\b")
"""What begins a statement that nothing at its depth is reached after."""

# What may follow a jump at its own depth: the block's end, a label, a hoisted function.
_AFTER_JUMP = re.compile(
    r"[)\]}#@]|(?:case|default|else|elif|except|finally|catch|function|async\s+function|end"
    r"|when|rescue|fn|func|class)\b|\w+\s*:(?!=)"
)
CLAUSES = {
    "elif": {"if", "elif"},
    "else": {"if", "elif", "for", "while", "try", "except", "async"},
    "except": {"try", "except"},
    "finally": {"try", "except", "else"},
}
"""The first word of a clause, and of the lines that it may follow at the same depth."""

_FIRST_WORD = re.compile(r"\w*")


class Seam:
    """A text at a cursor, cut at any place, and what stands below: do they fit?"""

    def __init__(self, text: str, context: CompletionContext) -> None:
        typed = typed_on_line(context)
        self.around = surroundings_of(context)
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
            not self._unreachable(statement) and _continues(lines, following)
        )

    def excess(self, end: int) -> tuple[int, ...]:
        """How many brackets of each kind the text up to ``end`` opens (negative: closes) too many.

        Right is what the code below closes and the code above left open, or none at all.
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
        """Whether the text up to ``end`` opens just what the code below closes and none else opens.

        Where somebody is still writing, brackets may well be missing: see :meth:`excess`.
        """
        written = nets(self._code[self._begin : self._begin + end])
        return self.around.known and written == self.around.missing

    def takes_clause(self, start: int, indent: int, code: str) -> bool:
        """Whether a line like ``else:`` belongs to a statement before ``start`` in the text."""
        return _clause_belongs(self.lines_until(start), indent, code)

    def lines_until(self, end: int) -> list[CodeLine]:
        """The unit's lines of code up to a place in the text.

        The last one holds the rest of the cursor's line too.
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
        """Whether a name stands in the unit's code above a line or below the cursor."""
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


def _continues(lines: Sequence[CodeLine], following: CodeLine) -> bool:
    """Whether a line stands at the depth of one of the blocks that are open."""
    if _first_word(following.code) in CLAUSES:
        return _clause_belongs(lines, following.indent, following.code)
    least: int | None = None
    for line in reversed(lines):
        if line.depth or (least is not None and line.indent >= least):
            continue
        least = line.indent
        if least <= following.indent:
            break
    return least is None or least == following.indent


def _clause_belongs(lines: Sequence[CodeLine], indent: int, code: str) -> bool:
    heads = CLAUSES.get(_first_word(code), set())
    for line in reversed(lines):
        if line.depth == 0 and line.indent <= indent:
            return line.indent == indent and _first_word(line.code) in heads
    return False


def _first_word(code: str) -> str:
    match = _FIRST_WORD.match(code)
    return match[0] if match else ""
