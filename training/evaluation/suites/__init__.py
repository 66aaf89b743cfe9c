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
from training.evaluation.suites.base import ALL_ITEMS, Choice, Item, Judge, Skipped, Suite
from training.evaluation.suites.humaneval import HumanEvalInfilling
from training.types import EvaluationError

if TYPE_CHECKING:  # it imports the dataset's libraries
    from training.evaluation.suites.spans import Contexts

__all__ = [
    "ALL_ITEMS",
    "NAMED",
    "OF_PATHS",
    "Choice",
    "Item",
    "Judge",
    "Skipped",
    "Suite",
    "SuiteKind",
    "open_suite",
]


Opener = Callable[[Path, Choice, PromptBuilder | None], Suite]
"""From a path, the choice of items, and the builder of the prompts that snippets of other files
have to fit (None for no snippets); a suite uses those that mean something to it."""


@dataclass(frozen=True, slots=True)
class SuiteKind:
    """What a suite's name, or the word before a path, stands for."""

    about: str
    """A line for ``fimls eval --list``."""
    open: Opener


def _humaneval(name: str) -> Opener:
    return lambda _path, _choice, _builder: HumanEvalInfilling(name)


def _spans(folder: Path, choice: Choice, builder: PromptBuilder | None) -> Suite:
    from training.evaluation.suites.spans import FolderSpans

    contexts = _contexts(builder)
    return FolderSpans(folder, seed=choice.seed, per_kind=choice.per_kind, contexts=contexts)


def _functions(folder: Path, choice: Choice, builder: PromptBuilder | None) -> Suite:
    from training.evaluation.execution.runners import find_runner
    from training.evaluation.suites.functions import RepositoryFunctions

    python = sys.executable if choice.python is None else str(choice.python)
    return RepositoryFunctions(
        folder,
        find_runner(folder, python=python, paths=choice.tests),
        seed=choice.seed,
        limit=choice.limit,
        contexts=_contexts(builder),
    )


def _dataset(folder: Path, _choice: Choice, _builder: PromptBuilder | None) -> Suite:
    from training.evaluation.suites.spans import DatasetSpans

    return DatasetSpans(folder)


def _contexts(builder: PromptBuilder | None) -> Callable[[Repository], Contexts] | None:
    from training.evaluation.suites.spans import ServedSnippets

    return None if builder is None else lambda repository: ServedSnippets(repository, builder)


NAMED: Mapping[str, SuiteKind] = {
    "humaneval-single": SuiteKind(
        "one line of a HumanEval solution is missing: 1,033 tasks", _humaneval("humaneval-single")
    ),
    "humaneval-multi": SuiteKind("several lines: 5,815 tasks", _humaneval("humaneval-multi")),
    "humaneval-random-span": SuiteKind(
        "any characters: 1,640 tasks", _humaneval("humaneval-random-span")
    ),
    "humaneval-random-span-light": SuiteKind(
        "any characters, one task for each problem: 164", _humaneval("humaneval-random-span-light")
    ),
}
"""By what a person writes. A new suite with data of its own is a row here."""

OF_PATHS: Mapping[str, SuiteKind] = {
    "spans": SuiteKind("holes of six kinds in a folder's code", _spans),
    "functions": SuiteKind("functions of a folder, judged by its own tests", _functions),
    "dataset": SuiteKind("what a dataset of `fimls prepare` holds out", _dataset),
}
"""By the word before the colon. A new suite of a person's code is a row here."""


def open_suite(
    spec: str, choice: Choice = ALL_ITEMS, builder: PromptBuilder | None = None
) -> Suite:
    """Return the suite that ``spec`` names; ``choice`` and ``builder`` as in :data:`Opener`.

    A path alone is a dataset where it is one, else held-out spans.

    Raises:
        EvaluationError: there is none of that name, and no such path.
        DatasetError, DocumentError: the path can't be used.
    """
    if spec in NAMED:
        return NAMED[spec].open(Path(), choice, builder)
    kind, colon, rest = spec.partition(":")
    if colon and kind in OF_PATHS:
        return OF_PATHS[kind].open(Path(rest), choice, builder)
    path = Path(spec)
    if not path.exists():
        known = [*NAMED, *(f"{name}:PATH" for name in OF_PATHS)]
        nearest = difflib.get_close_matches(spec, known, n=1, cutoff=0.5)
        meant = f"did you mean {nearest[0]}? " if nearest else ""
        raise EvaluationError(
            f"{spec} is no suite, and no folder", hint=f"{meant}`fimls eval --list` lists them"
        )
    is_dataset = (path / "dataset.json").is_file()
    return OF_PATHS["dataset" if is_dataset else "spans"].open(path, choice, builder)
