"""What variables are declared as, or made by: read from lines of text, not inferred.

It must be fast and work in every language with a grammar; a wrong guess costs a few tokens.
"""

from __future__ import annotations

import functools
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from fimls.syntax import get_language
from fimls.syntax.definitions import Definition
from fimls.syntax.language import Declares
from fimls.syntax.outline import Outline
from fimls.syntax.words import identifiers

NEAR = 0.75
"""How near a variable must be for its type to matter."""

_OWN = r"(?P<own>\b(?:self|this)\s*(?:\.|->)\s*)?"
_PATTERNS = {
    # As in Python, TypeScript and Rust.
    Declares.ANNOTATED: re.compile(
        _OWN + r"\b(?P<name>\w+)\??\s*:\s*(?P<type>[^=,(){};:]*[\w\]>])"
    ),
    # name = Type(...), name := &Type{...}, name = await new pkg.Type(...), name = Type::new(...)
    Declares.MADE: re.compile(
        _OWN + r"\b(?P<name>\w+)\s*(?::[^=]{1,60})?:?=\s*(?:await\s+|new\s+|&)*"
        r"(?P<type>[A-Za-z_][\w.]*(?:::\w+)*)\s*(?:<[^>]*>)?\s*[({]"
    ),
    Declares.ENTERED: re.compile(r"(?P<own>)\b(?P<type>[\w.]+)\(.*\)\s+as\s+(?P<name>\w+)"),
    # Type name, Type *name, List<Type> name
    Declares.TYPE_FIRST: re.compile(
        r"(?P<own>)\b(?P<type>[A-Za-z_][\w.:]*(?:<[^;]*>)?)(?:\s+|\s*[&*]+\s*)"
        r"(?P<name>[a-z_]\w*)\s*(?=[=;,)({])"
    ),
    # name *pkg.Type
    Declares.TYPE_LAST: re.compile(
        r"(?P<own>)\b(?P<name>[a-z]\w*)\s+(?:\[\])?\*?(?P<type>(?:\w+\.)?[A-Z]\w*)\b"
    ),
}
_ALIAS = re.compile(r"\b(?:self|this)\s*(?:\.|->)\s*(?P<name>\w+)\s*=\s*(?P<other>\w+)\s*;?\s*$")
_MENTIONS_OWN = re.compile(r"\b(?:self|this)\b")


class Line(NamedTuple):
    """A line of code. number: from 0. start: its offset."""

    number: int
    start: int
    content: str


def variable_types(
    lines: Iterable[Line],
    seen: Outline,
    function: Definition | None,
    owner: Definition | None,
    nearness: Mapping[str, float],
) -> dict[str, set[str]]:
    """For variables near the cursor, the names in what they are declared as or made by.

    Other functions' variables don't count, though their assignments to attributes of the class do.
    """
    language = get_language(seen.language_id)
    declares = language.declares if language else (Declares.ANNOTATED, Declares.MADE)
    patterns = [_PATTERNS[one] for one in declares]
    scope = _Scope(seen, function, owner)
    types: dict[str, set[str]] = {}
    declared: dict[str, str] = {}  # parameters of the class's methods, the last one seen
    near = frozenset(name for name, value in nearness.items() if value >= NEAR)
    for line in lines:
        # Most lines are other functions': the cheapest question first.
        inside, in_header = scope.place(line.start)
        if not inside and not (scope.owned(line.start) and (in_header or _own(line))):
            continue
        if not in_header and near.isdisjoint(_words(line.content)):
            continue
        for pattern in patterns:
            for match in pattern.finditer(line.content):
                name = match["name"]
                declared[name] = match["type"]
                if name in near and (inside or match["own"]):
                    types.setdefault(name, set()).update(identifiers(match["type"]))
        # self.store = store, behind a parameter `store: Store`
        alias = _ALIAS.search(line.content)
        if alias and alias["other"] in declared and alias["name"] in near:
            types.setdefault(alias["name"], set()).update(identifiers(declared[alias["other"]]))
    return types


@functools.lru_cache(maxsize=1 << 14)
def _words(line: str) -> frozenset[str]:
    """A line's names: from one cursor to the next most lines of a file are the same."""
    return frozenset(identifiers(line))


def _own(line: Line) -> bool:
    """Whether a line has to do with the attributes of its class."""
    return _MENTIONS_OWN.search(line.content) is not None


class _Scope:
    """Which places the code at the cursor sees variables of."""

    def __init__(
        self, seen: Outline, function: Definition | None, owner: Definition | None
    ) -> None:
        self._function, self._owner = function, owner
        self._functions = [one for one in seen.definitions if one.kind in {"function", "method"}]
        self._starts = [one.start for one in self._functions]

    def place(self, offset: int) -> tuple[bool, bool]:
        """Whether it is the function at the cursor, or none at all; and whether it is a header,
        where a function's parameters may stand.
        """
        at = bisect_right(self._starts, offset) - 1
        if at < 0:
            return True, False
        last, function = self._functions[at], self._function
        inside = offset >= last.end or (
            function is not None and function.start <= offset < function.end
        )
        return inside, offset < last.body

    def owned(self, offset: int) -> bool:
        """Whether it is the class at the cursor; without one, everything is."""
        return self._owner is None or self._owner.start <= offset < self._owner.end
