"""What will be typed, decided before anything runs."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from fimls.syntax import language_of
from fimls.types import DocumentError
from training.evaluation.repository import Repository
from training.evaluation.typing.functions import Function, find_functions
from training.evaluation.typing.names import Names
from training.evaluation.typing.neighbours import neighbours
from training.evaluation.typing.rhythm import Key, rhythm

LOCAL, OTHER_FILE = "local", "needs another file"
KINDS = (LOCAL, OTHER_FILE)

_MOST_IN_A_FILE = 2


@dataclass(frozen=True, slots=True)
class Task:
    """One function to type.

    name: unique in the plan, the same wherever the repository lies. kind: one of KINDS.
    neighbours: paths of files that are opened first. keys: one for each character of ``body``.
    """

    name: str
    repository: int
    path: str
    language_id: str
    function: Function
    kind: str
    neighbours: tuple[str, ...]
    body: str = field(repr=False)
    keys: tuple[Key, ...] = field(repr=False)

    @property
    def typed_characters(self) -> int:
        """Characters that a person types: all but the indentation, which the editor sets."""
        return typed_characters(self.body)


@dataclass(frozen=True, slots=True)
class Plan:
    """All functions, in the order in which they are typed: one repository after the other."""

    seed: int
    repositories: tuple[Repository, ...] = field(repr=False)
    tasks: tuple[Task, ...] = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """A hash of everything that is typed, and how: runs with the same one can be compared."""
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
    """Count a text's characters without what indents its lines."""
    first, *lines = text.split("\n")
    return len(first) + sum(1 + len(line.lstrip(" \t")) for line in lines)


def make_plan(repositories: Sequence[Repository], *, functions: int, seed: int) -> Plan:
    """Choose functions, as evenly from the repositories as they allow.

    At most two of a file; none whose body stands somewhere else too, where it would be found.

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
