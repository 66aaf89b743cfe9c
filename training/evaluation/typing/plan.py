"""What will be typed, decided by a seed before anything runs: functions and the keys for each."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from fimls.syntax import get_language, language_of, parse
from fimls.text import offset_at_byte
from fimls.types import DocumentError
from training.evaluation.repository import Repository
from training.evaluation.typing.dependencies import Names, neighbours
from training.evaluation.typing.rhythm import Key, rhythm

if TYPE_CHECKING:
    import tree_sitter

LOCAL, OTHER_FILE = "local", "needs another file"
KINDS = (LOCAL, OTHER_FILE)

_MOST_IN_A_FILE = 2
FEWEST_LINES, MOST_LINES = 3, 25
_MOST_LINE_CHARACTERS = 160
_PARSE_BUDGET_MS = 2_000.0


@dataclass(frozen=True, slots=True)
class Function:
    """A function in a text. ``text[start:end]`` (code points) is what is typed.

    That is everything after the signature (in Python: after the docstring too), or between the
    braces, from the line end there to the end of the last statement.
    """

    name: str
    start: int
    end: int
    unit: str
    """One level of indentation."""


@dataclass(frozen=True, slots=True)
class Task:
    """One function to type."""

    name: str
    """Unique in the plan, and the same wherever the repository is."""
    repository: int
    """The index of its repository in the plan."""
    path: str
    language_id: str
    function: Function
    kind: str
    """One of KINDS."""
    neighbours: tuple[str, ...]
    """Paths of files that are opened first."""
    body: str = field(repr=False)
    keys: tuple[Key, ...] = field(repr=False)
    """One for each character of the body."""

    @property
    def typed_characters(self) -> int:
        """How many characters a person types: all but the indentation, which the editor adds."""
        return typed_characters(self.body)


@dataclass(frozen=True, slots=True)
class Plan:
    """All functions, in the order in which they are typed: one repository after the other."""

    seed: int
    repositories: tuple[Repository, ...] = field(repr=False)
    tasks: tuple[Task, ...] = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """A hash of what is typed and how. Runs with the same fingerprint can be compared."""
        tasks = [asdict(task) for task in self.tasks]
        return hashlib.sha256(json.dumps([self.seed, tasks]).encode()).hexdigest()[:16]

    def holes(self, repository: int) -> Mapping[str, list[tuple[int, int]]]:
        """Return the spans of a repository's files that are yet to be typed."""
        spans: dict[str, list[tuple[int, int]]] = {}
        for task in self.tasks:
            if task.repository == repository:
                span = (task.function.start, task.function.end)
                spans.setdefault(task.path, []).append(span)
        return spans


def typed_characters(text: str) -> int:
    """Count a text's characters, without the indentation of its lines."""
    first, *lines = text.split("\n")
    return len(first) + sum(1 + len(line.lstrip(" \t")) for line in lines)


def make_plan(repositories: Sequence[Repository], *, functions: int, seed: int) -> Plan:
    """Choose functions, as evenly from the repositories as they allow.

    At most two of a file; none whose body occurs elsewhere too, where it would be found.

    Raises:
        DocumentError: no repository has a function that can be typed.
    """
    sources = [_Choice(index, repository, seed) for index, repository in enumerate(repositories)]
    chosen: list[Task] = []
    while sources and len(chosen) < functions:
        for source in list(sources):
            task = source.next() if len(chosen) < functions else None
            if task is not None:
                chosen.append(task)
            elif len(chosen) < functions:
                sources.remove(source)
    if not chosen:
        names = ", ".join(repository.name for repository in repositories)
        raise DocumentError(
            f"{names}: no function of 3 to 25 lines that can be typed",
            hint="give the root of a repository, and the right --language",
        )
    chosen.sort(key=lambda task: task.repository)  # stable: each keeps its own order
    return Plan(seed, tuple(repositories), tuple(chosen))


class _Choice:
    """Chooses functions of one repository, in an order that depends on the seed and its name."""

    def __init__(self, index: int, repository: Repository, seed: int) -> None:
        self._index = index
        self._repository = repository
        self._seed = seed
        self._names: Names | None = None
        self._tasks = self._all()

    def next(self) -> Task | None:
        """Return the next function, or None when there are no more."""
        return next(self._tasks, None)

    def _all(self) -> Iterator[Task]:
        sources = self._repository.sources
        chance = random.Random(f"{self._seed}:{self._repository.name}")  # noqa: S311
        for path in chance.sample(sorted(sources), len(sources)):
            found = list(find_functions(sources[path], language_of(path)))
            taken: list[Function] = []
            for function in chance.sample(found, len(found)):
                apart = all(
                    function.end <= other.start or other.end <= function.start for other in taken
                )
                if len(taken) < _MOST_IN_A_FILE and apart and self._is_unique(path, function):
                    taken.append(function)
                    yield self._task(path, function)

    def _is_unique(self, path: str, function: Function) -> bool:
        sources = self._repository.sources
        body = sources[path][function.start : function.end].strip()
        elsewhere = any(body in text for other, text in sources.items() if other != path)
        return not elsewhere and sources[path].count(body) == 1

    def _task(self, path: str, function: Function) -> Task:
        sources = self._repository.sources
        if self._names is None:
            self._names = Names(sources)
        line = sources[path].count("\n", 0, function.start) + 1
        name = f"{self._repository.name}/{path}:{line}:{function.name}"
        chance = random.Random(f"{self._seed}:{name}")  # noqa: S311 - a repeatable choice
        body = sources[path][function.start : function.end]
        needs = self._names.needs_other_file(path, function.start, function.end)
        return Task(
            name=name,
            repository=self._index,
            path=path,
            language_id=language_of(path),
            function=function,
            kind=OTHER_FILE if needs else LOCAL,
            neighbours=neighbours(path, sources, chance),
            body=body,
            keys=rhythm(body, chance),
        )


def find_functions(text: str, language_id: str) -> Iterator[Function]:
    """Yield the functions of 3 to 25 lines that parse, in document order, nested ones included."""
    language = get_language(language_id)
    grammar = language.grammar if language else None
    tree = parse(text, language_id, _PARSE_BUDGET_MS)
    pending = [] if grammar is None or tree is None else [tree.root_node]
    while pending:
        node = pending.pop()
        pending.extend(reversed(node.named_children))
        if grammar and node.type in grammar.functions and not node.has_error:
            function = _function(node, text)
            if function is not None:
                yield function


def _function(node: tree_sitter.Node, text: str) -> Function | None:
    body = node.child_by_field_name("body")
    if body is None or not body.named_children:
        return None
    braces = body.children[0].type == "{"
    start_byte = body.start_byte + 1 if braces else _after_docstring(node, body)
    start = offset_at_byte(text, start_byte)
    end = offset_at_byte(text, body.end_byte - 1 if braces else body.end_byte)
    if not braces:  # a comment after the colon belongs to the signature
        start = text.find("\n", start)
    end = start + len(text[start:end].rstrip())
    typed = text[start:end]
    lines = typed.split("\n")[1:]
    if start < 0 or not typed.startswith("\n") or not FEWEST_LINES <= len(lines) <= MOST_LINES:
        return None
    if max(map(len, lines)) > _MOST_LINE_CHARACTERS:
        return None
    inner, outer = (_indentation(line) for line in (_first_code_line(lines), _line_of(node, text)))
    if not inner.startswith(outer) or inner == outer:
        return None
    return Function(_name(node), start, end, inner[len(outer) :])


def _after_docstring(node: tree_sitter.Node, body: tree_sitter.Node) -> int:
    """Return the byte after a function's signature, or after its docstring."""
    first = body.named_children[0]
    if [child.type for child in first.named_children] == ["string"]:
        return first.end_byte
    colons = [child.end_byte for child in node.children if child.type == ":"]
    if colons:
        return colons[-1]
    return body.prev_sibling.end_byte if body.prev_sibling else body.start_byte


def _name(node: tree_sitter.Node) -> str:
    """Return the name that is defined; C has it in nested declarators."""
    named = node.child_by_field_name("name")
    declarator = node.child_by_field_name("declarator")
    while named is None and declarator is not None:
        inner = declarator.child_by_field_name("declarator")
        named = declarator if inner is None else None
        declarator = inner
    return (named.text or b"").decode("utf-8", "replace") if named is not None else ""


def _line_of(node: tree_sitter.Node, text: str) -> str:
    start = offset_at_byte(text, node.start_byte)
    line_start = text.rfind("\n", 0, start) + 1
    return text[line_start:start] + "x"


def _first_code_line(lines: list[str]) -> str:
    return next(line for line in lines if line.strip())


def _indentation(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]
