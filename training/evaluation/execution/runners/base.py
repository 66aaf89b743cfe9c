"""What running a repository's own tests needs, whatever their language.

Adding a language: a class with this protocol, and its row in ``runners.RUNNERS``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from training.evaluation.execution.sandbox import Limits, Outcome, Sandbox, Verdict

FAILING, FLAKY, NETWORK, SKIPPED = "failing", "flaky", "needs the network", "skipped by itself"
"""Why a test is left out."""

_RAISED = re.compile(r"\s*[\w.]*(?:Error|Exception|Exit|Interrupt)\b")

INJECTED = Path(__file__).parent
FOLDER = ".fimls"
"""The folder of what we add to a copy of the repository."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What a repository's tests are before anything is changed."""

    passing: Mapping[str, float]
    """The seconds of each test that passed twice, in the order they ran."""
    left_out: Mapping[str, str]
    """The reason for each other test."""
    called: Mapping[tuple[str, int], tuple[str, ...]] = field(default_factory=dict)
    """For a file and the first line of a function in it (from 1, decorators included) the passing
    tests that called the function."""


class Runner(Protocol):
    """Runs one repository's tests. Picklable: judging happens in other processes too."""

    @property
    def name(self) -> str:
        """Such as "pytest"."""
        ...

    @property
    def language_ids(self) -> frozenset[str]:
        """Languages whose functions its tests can cover."""
        ...

    @property
    def readable(self) -> tuple[Path, ...]:
        """Folders outside the repository that its tests need: interpreters, dependencies."""
        ...

    def detect(self, source: Path) -> bool:
        """Whether a repository looks as if it had tests for this runner."""
        ...

    def survey(self, sandbox: Sandbox, limits: Limits) -> Survey:
        """Run all tests twice, the second time the other way round, and see what they call.

        Raises:
            EvaluationError: they can't be run at all.
        """
        ...

    def judge(
        self, sandbox: Sandbox, tests: Sequence[str], replaced: Mapping[str, str], limits: Limits
    ) -> Verdict:
        """Run some tests with other text in some files, by path: all of them must pass."""
        ...


def unfinished(outcome: Outcome) -> str:
    """Return why a run came to no end of its own, "" if it did."""
    if outcome.killed_by is not None:
        return f"ended by {outcome.killed_by}"
    return "" if outcome.ended else ", ".join(outcome.violations)


def last_line(text: str) -> str:
    """Return the last line that says something, not too long."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""


def failure(report: str) -> str:
    """Return what pytest's report of a failure says: the exception, else its first line.

    It marks such lines with an E.
    """
    said = [line[1:] for line in report.splitlines() if line.startswith("E ")]
    raised = [line for line in said if _RAISED.match(line)]
    return last_line(next(iter(raised or said), report))
