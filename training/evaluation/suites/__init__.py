"""What can be evaluated: a suite by its name, ``KIND:PATH`` for a kind of suite, or a path alone.

``base`` says what a suite is; ``humaneval``, ``spans`` and ``functions`` hold the suites.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fimls.fim import PromptBuilder
from training.evaluation.repository import Repository
from training.evaluation.suites.base import Item, Judge, Skipped, Suite, Verdict
from training.evaluation.suites.humaneval import FILES, HumanEvalInfilling
from training.types import EvaluationError

if TYPE_CHECKING:  # it imports the dataset's libraries
    from training.evaluation.suites.spans import Contexts

__all__ = [
    "NAMED",
    "OF_PATHS",
    "Item",
    "Judge",
    "Skipped",
    "Suite",
    "SuiteOptions",
    "Verdict",
    "open_suite",
]


@dataclass(frozen=True, slots=True)
class SuiteOptions:
    """What a suite of a person's own code can be told.

    per_kind: holes of each kind. functions: at most so many, of those that tests can judge.
    builder: of the prompts that snippets of other files have to fit; None for no snippets.
    python: the interpreter that has what the repository's tests need. tests: only those under these
    paths.
    """

    seed: int = 0
    per_kind: int = 50
    functions: int | None = None
    builder: PromptBuilder | None = None
    python: Path | None = None
    tests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Named:
    """A suite that comes with fimls."""

    about: str
    open: Callable[[], Suite]


@dataclass(frozen=True, slots=True)
class OfPath:
    """A kind of suite that is made of a folder."""

    about: str
    open: Callable[[Path, SuiteOptions], Suite]


def _humaneval(name: str) -> Callable[[], Suite]:
    return lambda: HumanEvalInfilling(name)


def _spans(folder: Path, options: SuiteOptions) -> Suite:
    from training.evaluation.suites.spans import FolderSpans

    return FolderSpans(
        folder, seed=options.seed, per_kind=options.per_kind, contexts=_contexts(options)
    )


def _functions(folder: Path, options: SuiteOptions) -> Suite:
    from training.evaluation.execution.runners import find_runner
    from training.evaluation.suites.functions import RepositoryFunctions

    python = sys.executable if options.python is None else str(options.python)
    return RepositoryFunctions(
        folder,
        find_runner(folder, python=python, paths=options.tests),
        seed=options.seed,
        limit=options.functions,
        contexts=_contexts(options),
    )


def _contexts(options: SuiteOptions) -> Callable[[Repository], Contexts] | None:
    from training.evaluation.suites.spans import ServedSnippets

    builder = options.builder
    return None if builder is None else lambda repository: ServedSnippets(repository, builder)


def _dataset(folder: Path, _options: SuiteOptions) -> Suite:
    from training.evaluation.suites.spans import DatasetSpans

    return DatasetSpans(folder)


_HUMANEVAL = {
    "humaneval-single": "one line of a HumanEval solution is missing: 1,033 tasks",
    "humaneval-multi": "several lines: 5,815 tasks",
    "humaneval-random-span": "any characters: 1,640 tasks",
    "humaneval-random-span-light": "any characters, one task for each problem: 164",
}
NAMED: Mapping[str, Named] = {name: Named(_HUMANEVAL[name], _humaneval(name)) for name in FILES}
"""By what a person writes. A new suite of its own data is a row here."""

OF_PATHS: Mapping[str, OfPath] = {
    "spans": OfPath("holes of six kinds in a folder's code", _spans),
    "functions": OfPath("functions of a folder, judged by its own tests", _functions),
    "dataset": OfPath("what a dataset of `fimls prepare` holds out", _dataset),
}
"""By the word before the colon. A new suite of a person's code is a row here."""


def open_suite(spec: str, options: SuiteOptions) -> Suite:
    """Return the suite that ``spec`` names.

    A path alone is a dataset where it is one, else held-out spans.

    Raises:
        EvaluationError: there is none of that name, and no such path.
        DatasetError, DocumentError: the path can't be used.
    """
    if spec in NAMED:
        return NAMED[spec].open()
    kind, colon, rest = spec.partition(":")
    if colon and kind in OF_PATHS:
        return OF_PATHS[kind].open(Path(rest), options)
    path = Path(spec)
    if not path.exists():
        known = [*NAMED, *(f"{name}:PATH" for name in OF_PATHS)]
        nearest = difflib.get_close_matches(spec, known, n=1, cutoff=0.5)
        meant = f"did you mean {nearest[0]}? " if nearest else ""
        raise EvaluationError(
            f"{spec} is no suite, and no folder", hint=f"{meant}`fimls eval --list` lists them"
        )
    is_dataset = (path / "dataset.json").is_file()
    return OF_PATHS["dataset" if is_dataset else "spans"].open(path, options)
