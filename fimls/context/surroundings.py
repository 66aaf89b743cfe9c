"""Which names occur around the cursor, and how near: the question that retrieval answers.

A name's *nearness* is 1 beside the cursor and falls with the distance; names in the enclosing
function, above all in its signature, are near wherever they are. A variable makes its type as near
as itself: ``Store`` is as near as ``store`` after ``self.store = Store(path)`` or ``store: Store``.
Patterns find such types in the text. Nothing is inferred, because this must be fast and work in
every language, and a wrong guess costs only a few tokens.
"""

from __future__ import annotations

import functools
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from fimls.context.query import Query
from fimls.syntax import get_language
from fimls.syntax.definitions import Definition
from fimls.syntax.language import ANY_IMPORT, Declares
from fimls.syntax.outline import Outline, outline
from fimls.syntax.words import identifiers, known_words
from fimls.text import is_word_character

# (lines from the cursor, nearness up to there)
_NEARNESS = ((3, 1.0), (8, 0.85), (20, 0.6))
_IN_FUNCTION = 0.75
_IN_SIGNATURE = 0.9
_SHOWN = 0.35
_ELSEWHERE = 0.15
_UNUSED_MAX = 12  # a module with more only re-exports names
_BESIDE_LINES = 15  # lines this near are compared with windows of other files

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
    # Type name, Type *name, List<Type> name, Type $name
    Declares.TYPE_FIRST: re.compile(
        r"(?P<own>)\b(?P<type>[A-Za-z_][\w.:]*(?:<[^;]*>)?)(?:\s+|\s*[&*]+\s*)\$?"
        r"(?P<name>[a-z_]\w*)\s*(?=[=;,)({])"
    ),
    # name *pkg.Type
    Declares.TYPE_LAST: re.compile(
        r"(?P<own>)\b(?P<name>[a-z]\w*)\s+(?:\[\])?\*?(?P<type>(?:\w+\.)?[A-Z]\w*)\b"
    ),
}
_ALIAS = re.compile(r"\b(?:self|this)\s*(?:\.|->)\s*(?P<name>\w+)\s*=\s*(?P<other>\w+)\s*;?\s*$")
_MENTIONS_OWN = re.compile(r"\b(?:self|this)\b")

_CLOSED_IMPORT = re.compile(r"[)}]")
_OPEN_IMPORT = re.compile(r"[({](?![^({]*[)}])")
# Overlapping, for self.store.get; without a member yet, for what is being typed.
_MEMBER = re.compile(r"([^\W\d]\w*)(?:\(\s*\))?(?:\?\.|\.|->|::)(?=[ \t]*((?:[^\W\d]\w*)?))")
_CALL = re.compile(r"\s*(?:(?:::|\.)new\s*)?(?:<[^>\n]*>\s*)?[({]")
_SUBWORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SUBWORD_LENGTH_MIN = 3


class Line(NamedTuple):
    """A line of code."""

    number: int
    """From 0."""
    start: int
    """Its offset."""
    content: str


@dataclass(frozen=True)  # no slots: it caches
class Surroundings:
    """The query's file as seen from the cursor."""

    query: Query
    text: str
    """prefix + suffix."""
    outline: Outline
    function: Definition | None
    """The innermost enclosing function."""
    owner: Definition | None
    """The innermost enclosing class or type."""
    nearness: dict[str, float]
    """Of each identifier outside import statements."""
    counts: Counter[str]
    """How often each identifier occurs outside import statements."""
    imports: tuple[Line, ...]
    """The import statements; those over several lines are joined."""
    receivers: frozenset[str]
    """Names whose members are used near the cursor, and the types of such variables."""
    members: frozenset[str]
    """Names of members in the prompt's window."""
    beside: str
    """The lines around the cursor."""
    subwords: frozenset[str]
    """The sub-words of the identifiers in ``beside``, in lower case."""

    def near(self, name: str) -> float:
        """Return how near a name is; 0 if it doesn't occur."""
        return self.nearness.get(name, 0.0)

    @functools.cached_property
    def unused(self) -> frozenset[str]:
        """The names that are imported but not used yet: the next one to be used is often here."""
        names = {alias for found in self.outline.imports for _, alias in found.names}
        names |= {found.alias.rpartition(".")[2] for found in self.outline.imports if found.alias}
        unused = {name for name in names if name != "*" and not self.counts[name]}
        return frozenset(unused) if len(unused) <= _UNUSED_MAX else frozenset()

    def calls(self, name: str) -> bool:
        """Whether the file calls a name, or makes an instance of it."""
        at = self.text.find(name)  # a regular expression takes 20 times as long
        while at >= 0:
            begins = at == 0 or not is_word_character(self.text[at - 1])
            if begins and _CALL.match(self.text, at + len(name)):
                return True
            at = self.text.find(name, at + 1)
        return False

    def likeness(self, name: str) -> float:
        """Return which share of a name's sub-words occurs beside the cursor, 0 to 1."""
        own = subwords(name)
        return len(own & self.subwords) / len(own) if own else 0.0


def subwords(name: str) -> frozenset[str]:
    """Split a name at underscores and capitals; short pieces are left out."""
    found = (word.lower() for word in _SUBWORD.findall(name))
    return frozenset(word for word in found if len(word) >= _SUBWORD_LENGTH_MIN)


def surroundings(query: Query) -> Surroundings:
    """Look at the query's file from its cursor."""
    text, offset = query.prefix + query.suffix, len(query.prefix)
    seen = _outline(query)
    function, owner = _enclosing(seen, offset)
    lines, imports = _lines(text, query.language_id)
    counts = Counter(identifiers("\n".join(line.content for line in lines), query.language_id))
    nearness = dict.fromkeys(counts, _ELSEWHERE)
    cursor_line = query.prefix.count("\n")
    beside: list[str] = []
    for line in lines:
        near = _line_nearness(query, line, cursor_line, function, owner)
        if near == _ELSEWHERE:
            continue
        if abs(line.number - cursor_line) <= _BESIDE_LINES:
            beside.append(line.content)
        for name in identifiers(line.content):
            if near > nearness.get(name, near):
                nearness[name] = near
    around = "\n".join(beside)
    used = frozenset(match[1] for match in _MEMBER.finditer(around))
    types = _variable_types(lines, seen, function, owner, nearness)
    for variable, names in types.items():
        for name in names:
            nearness[name] = max(nearness.get(name, 0.0), nearness[variable])
    near_words = [*set(identifiers(around)) - known_words(query.language_id)]
    if function is not None:
        near_words.append(function.name)
    return Surroundings(
        query=query,
        text=text,
        outline=seen,
        function=function,
        owner=owner,
        nearness=nearness,
        counts=counts,
        imports=tuple(imports),
        receivers=used.union(*(types[variable] for variable in types if variable in used)),
        members=frozenset(match[2] for match in _MEMBER.finditer(query.shown_text)),
        beside=around,
        subwords=frozenset().union(*map(subwords, near_words)),
    )


def _outline(query: Query) -> Outline:
    """Return the outline of a file whose middle is missing.

    If a body is empty, or the cursor is on a new line at its end, the parser doesn't see that the
    cursor is inside; with a statement on the cursor's line it does.
    """
    text, offset = query.prefix + query.suffix, len(query.prefix)
    seen = outline(text, query.language_id) or Outline((), ())
    language = get_language(query.language_id)
    start = query.prefix.rfind("\n") + 1
    line = query.prefix[start:]
    indent = line[: len(line) - len(line.lstrip())]
    if not (language and language.indented and indent) or _enclosing(seen, offset)[0]:
        return seen
    end = offset + (query.suffix + "\n").index("\n")
    filled = f"{text[:start]}{indent}{language.no_body}{text[end:]}"
    shift = len(filled) - len(text)
    again = outline(filled, query.language_id) or seen
    if _enclosing(again, start + 1) == (None, None):
        return seen

    def moved(position: int) -> int:
        return position if position <= start else max(position - shift, end)

    definitions = tuple(
        replace(
            one,
            start=moved(one.start),
            header=moved(one.header),
            body=min(moved(one.body), offset) if one.start < start else moved(one.body),
            end=moved(one.end),
        )
        for one in again.definitions
    )
    return Outline(definitions, again.imports, again.language_id)


def _enclosing(seen: Outline, offset: int) -> tuple[Definition | None, Definition | None]:
    """Return the innermost function and the innermost class or type around an offset."""
    function = owner = None
    for definition in seen.definitions:
        if definition.start < offset <= definition.end:
            if definition.kind in {"function", "method"}:
                function = definition
            elif definition.kind in {"class", "type"}:
                owner = definition
    return function, owner


def _lines(text: str, language_id: str) -> tuple[list[Line], list[Line]]:
    """Return the lines of code, and the import statements; those over several lines are joined."""
    code: list[Line] = []
    imports: list[Line] = []
    language = get_language(language_id)
    statement = re.compile(language.import_line if language else ANY_IMPORT)
    offset, in_import = 0, False
    for number, content in enumerate(text.split("\n")):
        line = Line(number, offset, content)
        offset += len(content) + 1
        if in_import:
            joined = f"{imports[-1].content} {content.strip()}"
            imports[-1] = imports[-1]._replace(content=joined)
            in_import = not _CLOSED_IMPORT.search(content)
        elif statement.match(content):
            imports.append(line)
            in_import = bool(_OPEN_IMPORT.search(content))
        elif content:
            code.append(line)
    return code, imports


def _line_nearness(
    query: Query,
    line: Line,
    cursor_line: int,
    function: Definition | None,
    owner: Definition | None,
) -> float:
    distance, start = abs(line.number - cursor_line), line.start
    near = 0.0
    for lines, value in _NEARNESS:
        if distance <= lines:
            near = value
            break
    if function is not None and function.start <= start < function.end:
        near = max(near, _IN_SIGNATURE if start < function.body else _IN_FUNCTION)
    if owner is not None and owner.start <= start < owner.body:
        near = max(near, _IN_SIGNATURE)
    begin, end = query.shown_range
    return max(near, _SHOWN if begin <= start < end else _ELSEWHERE)


def _variable_types(
    lines: Iterable[Line],
    seen: Outline,
    function: Definition | None,
    owner: Definition | None,
    nearness: Mapping[str, float],
) -> dict[str, set[str]]:
    """Return for variables near the cursor the names in their declared types or constructors.

    Variables of other functions don't count, but their assignments to attributes of the class do.
    """
    language = get_language(seen.language_id)
    declares = language.declares if language else (Declares.ANNOTATED, Declares.MADE)
    patterns = [_PATTERNS[one] for one in declares]
    scope = _Scope(seen, function, owner)
    types: dict[str, set[str]] = {}
    declared: dict[str, str] = {}  # parameters of the class's methods, the last one seen
    near = frozenset(name for name, value in nearness.items() if value >= NEAR)
    for line in lines:
        # Most lines are in other functions, so the cheapest question comes first.
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
        # self.store = store, after a parameter `store: Store`
        alias = _ALIAS.search(line.content)
        if alias and alias["other"] in declared and alias["name"] in near:
            types.setdefault(alias["name"], set()).update(identifiers(declared[alias["other"]]))
    return types


@functools.lru_cache(maxsize=1 << 14)
def _words(line: str) -> frozenset[str]:
    """Return a line's names. Most lines stay the same from one cursor to the next."""
    return frozenset(identifiers(line))


def _own(line: Line) -> bool:
    """Whether a line mentions attributes of its class."""
    return _MENTIONS_OWN.search(line.content) is not None


class _Scope:
    """Knows where the variables are that the code at the cursor can use."""

    def __init__(
        self, seen: Outline, function: Definition | None, owner: Definition | None
    ) -> None:
        self._function, self._owner = function, owner
        self._functions = [one for one in seen.definitions if one.kind in {"function", "method"}]
        self._starts = [one.start for one in self._functions]

    def place(self, offset: int) -> tuple[bool, bool]:
        """Return whether an offset is in the function at the cursor or in no function, and whether
        it is in a header, where parameters may be.
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
        """Whether an offset is in the class at the cursor; without a class, every offset is."""
        return self._owner is None or self._owner.start <= offset < self._owner.end
