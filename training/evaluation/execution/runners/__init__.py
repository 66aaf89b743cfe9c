"""Running a repository's own tests: one runner for each kind of tests."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from training.evaluation.execution.runners.base import Runner, Survey
from training.evaluation.execution.runners.go import GoRunner
from training.evaluation.execution.runners.node import NodeRunner
from training.evaluation.execution.runners.pytest_runner import PytestRunner
from training.types import EvaluationError

__all__ = ["RUNNERS", "Runner", "Survey", "find_runner"]

RUNNERS: dict[str, Callable[[str, tuple[str, ...]], Runner]] = {
    "pytest": PytestRunner,
    "go": lambda _python, paths: GoRunner(paths),
    "node": lambda _python, paths: NodeRunner(paths),
}
"""By name: from an interpreter and the paths of tests to a runner. A new one is a row here."""


def find_runner(source: Path, *, python: str = sys.executable, paths: Sequence[str] = ()) -> Runner:
    """Return the runner for a repository's tests.

    python: the interpreter that has what the repository depends on; nothing is installed here.
    paths: only tests under these.

    Raises:
        EvaluationError: it has no tests that a runner here knows.
    """
    for make in RUNNERS.values():
        runner = make(python, tuple(paths))
        if runner.detect(source):
            return runner
    raise EvaluationError(
        f"{source} has no tests that can be run",
        hint=f"tests are found for {', '.join(RUNNERS)}; `spans:PATH` needs none",
    )
