"""Held-out functions of a repository, judged by the repository's own tests.

A function is an item if tests that pass cover it, and if those tests tell the body that is there
from none: they pass with the one and fail with the other, in the sandbox that will judge answers.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fimls.syntax import Definition, Language, get_language, language_of, outline
from fimls.syntax.language import Blocks
from fimls.types import Mode
from training.evaluation.execution import Limits, Sandbox, Verdict, shared
from training.evaluation.execution.runners import Runner, Survey
from training.evaluation.repository import Repository, read_repository
from training.evaluation.suites.base import Item, Skipped
from training.evaluation.suites.spans import BODY, Contexts
from training.types import CorpusFile, Span, SpanKind

NOT_COVERED = "no passing test calls it"
TRIVIAL = "trivial body"
LONG = "body of over 25 lines"
FAILS = "its tests fail when run by themselves"
UNNOTICED = "its tests pass without it"
NOT_CHOSEN = "beyond the limit"

# Code of tests and around them is no code to be judged by tests.
_TESTS = re.compile(r"(^|/)(tests?/|test_[^/]*$|conftest\.py$|[^/]*[._-]test\.\w+$)")
_LINES_MAX = 25
_TESTS_MAX = 40  # a function that everything calls is not judged by everything
_AT_ONCE = 2

SURVEY_LIMITS = Limits(
    cpu_s=1_800, wall_s=1_800.0, memory_bytes=4 << 30, processes=256, output_bytes=64 << 20
)


_DOCSTRING = re.compile(
    r"""[rRuU]?(?:\"{3}[\s\S]*?\"{3}|'{3}[\s\S]*?'{3}|"[^"\n]*"|'[^'\n]*')"""
    r"""[ \t]*(?:\#.*)?(?:\n|\Z)"""
)
_NOTHING = re.compile(r"(?:pass|\.\.\.|raise NotImplementedError\b.*)?")


@dataclass(frozen=True, slots=True)
class TestsJudge:
    """Puts an answer into a file of a repository's copy, and runs the tests that call it."""

    __test__ = False  # no test, whatever pytest makes of its name

    source: Path
    runner: Runner
    path: str
    before: str
    after: str
    tests: tuple[str, ...]
    limits: Limits

    def __call__(self, completion: str) -> Verdict:
        """See :class:`training.evaluation.suites.base.Judge`."""
        sandbox = shared(self.source, self.runner.readable)
        replaced = {self.path: f"{self.before}{completion}{self.after}"}
        return self.runner.judge(sandbox, self.tests, replaced, self.limits)


class RepositoryFunctions:
    """Functions of a repository with tests.

    limit: at most so many items, a seeded choice. contexts: None for no snippets of other files.
    """

    def __init__(
        self,
        folder: Path,
        runner: Runner,
        *,
        seed: int = 0,
        limit: int | None = None,
        contexts: Callable[[Repository], Contexts] | None = None,
    ) -> None:
        """Read the folder.

        Raises:
            DocumentError: there is no such folder.
        """
        self._repository = read_repository(folder, seed=seed)
        self._runner = runner
        self._seed = seed
        self._limit = limit
        self._contexts = contexts
        self.name = f"functions-{self._repository.name}"
        self.sources = self._repository.folder

    @cached_property
    def version(self) -> str:
        """Of the files, and of how functions are chosen."""
        digest = hashlib.sha256(f"{self._seed} {self._limit} {_LINES_MAX} {_TESTS_MAX}\n".encode())
        for path, text in sorted(self._repository.sources.items()):
            digest.update(f"{path}\0{text}\0".encode("utf-8", "surrogatepass"))
        return digest.hexdigest()[:12]

    def items(self) -> Iterator[Item | Skipped]:
        """Yield the functions by file, in order, and all tests and functions that are left out.

        Raises:
            EvaluationError: its tests don't run.
        """
        chosen, skipped = self._chosen
        yield from skipped
        contexts = self._contexts(self._repository) if self._contexts else None
        for candidate in sorted(chosen, key=lambda each: (each.path, each.body.start)):
            yield self._item(candidate, contexts)

    @cached_property
    def _chosen(self) -> tuple[list[_Candidate], list[Skipped]]:
        with Sandbox(self.sources, readable=self._runner.readable) as sandbox:
            survey = self._runner.survey(sandbox, SURVEY_LIMITS)
        skipped = []
        for test, reason in survey.left_out.items():
            skipped.append(Skipped(test, f"test: {reason}"))
        candidates: list[_Candidate] = []
        for path in sorted(self._repository.sources):
            for name, found in self._functions(path, survey):
                if isinstance(found, str):
                    skipped.append(Skipped(name, found))
                else:
                    candidates.append(found)
        chance = random.Random(f"{self._seed}:{self._repository.name}")  # noqa: S311 - a choice
        chance.shuffle(candidates)
        chosen: list[_Candidate] = []
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for first in range(0, len(candidates), _AT_ONCE):
                some = candidates[first : first + _AT_ONCE]
                full = self._limit is not None and len(chosen) >= self._limit
                reasons = [NOT_CHOSEN] * len(some) if full else pool.map(self._unfit, some)
                for candidate, reason in zip(some, reasons, strict=True):
                    if reason:
                        skipped.append(Skipped(candidate.name, reason))
                    else:
                        chosen.append(candidate)
        surplus = [] if self._limit is None else chosen[self._limit :]
        skipped += [Skipped(candidate.name, NOT_CHOSEN) for candidate in surplus]
        chosen = chosen[: self._limit]
        return chosen, skipped

    def _functions(self, path: str, survey: Survey) -> Iterator[tuple[str, _Candidate | str]]:
        """Yield a file's functions, each with the reason for leaving it out or what judges it."""
        language_id, text = language_of(path), self._repository.sources[path]
        if language_id not in self._runner.language_ids:
            return
        bodies = list(find_bodies(text, language_id))
        tests: dict[Body, set[str]] = {}
        if _TESTS.search(path):
            return
        for (called, line), callers in survey.called.items():
            if called == path and (body := innermost(bodies, line)) is not None:
                tests.setdefault(body, set()).update(callers)
        for body in bodies:
            name = f"{path}::{body.name}:{body.first_line}"
            if body.trivial:
                yield name, TRIVIAL
            elif body.lines(text) > _LINES_MAX:
                yield name, LONG
            elif body not in tests:
                yield name, NOT_COVERED
            else:
                calling = [test for test in survey.passing if test in tests[body]]
                yield name, self._candidate(path, body, name, calling, survey)

    def _candidate(
        self, path: str, body: Body, name: str, tests: Sequence[str], survey: Survey
    ) -> _Candidate:
        step = -(-len(tests) // _TESTS_MAX)
        some = tuple(tests[::step])
        text = self._repository.sources[path]
        wall_s = 30.0 + 5 * sum(survey.passing[test] for test in some)
        judge = TestsJudge(
            source=self.sources,
            runner=self._runner,
            path=path,
            before=text[: body.start],
            after=text[body.end :],
            tests=some,
            limits=Limits(cpu_s=int(wall_s), wall_s=wall_s, processes=128),
        )
        return _Candidate(name, path, body, judge)

    def _unfit(self, candidate: _Candidate) -> str:
        """Return why a function's tests can't judge it, "" if they can."""
        text = self._repository.sources[candidate.path]
        if not candidate.judge(text[candidate.body.start : candidate.body.end]).passed:
            return FAILS
        language = get_language(language_of(candidate.path))
        assert language is not None, "it was found with the language's grammar"
        return UNNOTICED if candidate.judge(language.no_body).passed else ""

    def _item(self, candidate: _Candidate, contexts: Contexts | None) -> Item:
        path, body = candidate.path, candidate.body
        text, language_id = self._repository.sources[path], language_of(path)
        file = CorpusFile(self._repository.name, "", path, language_id, "", text)
        span = Span(body.start, body.end, SpanKind.BODY)
        return Item(
            id=f"{self._repository.name}/{path}:{body.start}-{body.end}",
            cluster=f"{self._repository.name}/{path}",
            kind=BODY,
            path=path,
            language_id=language_id,
            prefix=candidate.judge.before,
            suffix=candidate.judge.after,
            reference=text[body.start : body.end],
            mode=Mode.MULTI,
            snippets=contexts(file, [span])[0] if contexts else (),
            judge=candidate.judge,
        )


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A function that tests call."""

    name: str
    path: str
    body: Body
    judge: TestsJudge


@dataclass(frozen=True, slots=True)
class Body:
    """A function's body: ``text[start:end]`` without docstring and surrounding white space."""

    name: str
    """With its class."""
    start: int
    """In code points."""
    end: int
    first_line: int
    """Of the whole function, decorators included, from 1."""
    last_line: int
    """Likewise."""
    trivial: bool

    def lines(self, text: str) -> int:
        """Return how many lines it has."""
        return text.count("\n", self.start, self.end) + 1


def find_bodies(text: str, language_id: str) -> Iterator[Body]:
    """Yield the body of every function and method, in document order; none without a grammar."""
    found = outline(text, language_id)
    language = get_language(language_id)
    if found is None or language is None:
        return
    for definition in found.definitions:
        if definition.kind not in {"function", "method"} or definition.body == definition.end:
            continue
        start, end = _inside(text, definition, language)
        written = text[start:end]
        start += len(written) - len(written.lstrip())
        end = max(start, start + len(written.strip()))
        yield Body(
            name=f"{definition.container}.{definition.name}".lstrip("."),
            start=start,
            end=end,
            first_line=text.count("\n", 0, definition.start) + 1,
            last_line=text.count("\n", 0, definition.end) + 1,
            trivial=_NOTHING.fullmatch(text[start:end]) is not None,
        )


def innermost(bodies: list[Body], line: int) -> Body | None:
    """Return the innermost function around a line."""
    around = [body for body in bodies if body.first_line <= line <= body.last_line]
    return max(around, key=lambda body: (body.first_line, -body.last_line), default=None)


def _inside(text: str, definition: Definition, language: Language) -> tuple[int, int]:
    if language.blocks is Blocks.BRACES:
        opened = text.startswith("{", definition.body)
        closed = text.rfind("}", definition.body, definition.end)
        return (definition.body + 1, closed) if opened and closed > 0 else (definition.body,) * 2
    if language.blocks is Blocks.WORDS:
        closing = language.closing_word(text, definition.end)
        return definition.body, definition.end - len(closing)
    docstring = _DOCSTRING.match(text, definition.body, definition.end)
    return (docstring.end() if docstring else definition.body), definition.end
