"""What a suite is: items to complete, and how an answer is judged. One file for each suite.

Adding one: write a class with ``name``, ``version``, ``sources`` and ``items()``, and a row in
``NAMED`` or ``OF_PATHS`` of ``suites/__init__.py``. Nothing else changes: asking, scoring,
intervals and reports are the same for all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fimls.types import Mode, Snippet
from training.evaluation.execution.sandbox import Verdict


@dataclass(frozen=True, slots=True)
class Choice:
    """Which items of a suite are asked, and what a suite of a person's own code is made of."""

    limit: int | None = None
    """A seeded sample of so many."""
    one_per_cluster: bool = False
    """A seeded one of each problem or file."""
    kinds: tuple[str, ...] = ()
    """Only these; () for all."""
    seed: int = 0
    per_kind: int = 50
    """Holes of each kind, of a folder."""
    python: Path | None = None
    """The interpreter that has what the repository's tests need."""
    tests: tuple[str, ...] = ()
    """Only tests under these paths."""


ALL_ITEMS = Choice()


class Judge(Protocol):
    """Runs an answer. It is pickled and called in a worker process, one answer at a time."""

    def __call__(self, completion: str) -> Verdict:
        """Whether ``completion``, put between the item's prefix and suffix, does what it must."""
        ...


@dataclass(frozen=True, slots=True)
class Item:
    """A file with a hole."""

    id: str
    """Unique in the suite; the same wherever its files lie."""
    cluster: str
    """Items of one problem or file aren't independent: intervals resample clusters."""
    kind: str
    """Of the hole, for the tables."""
    path: str
    language_id: str
    prefix: str
    suffix: str
    reference: str
    mode: Mode | None = None
    """How much to ask for; None lets the syntax decide, as for a person who types."""
    snippets: tuple[Snippet, ...] = ()
    """Of other files, as serving retrieves them."""
    judge: Judge | None = None
    """None where only the reference tells what is right."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A record that is no item: broken, leaked, or unfit to be judged. It is named and counted."""

    name: str
    """Of the record, such as file and line."""
    reason: str
    """One of few, so that they can be counted."""
    detail: str = ""
    """What exactly."""


class Suite(Protocol):
    """Items in a fixed order.

    version: changes whenever the items do: reports on two versions aren't compared.
    sources: the folder whose code it holds out, None for a suite of files of its own. A model that
    is asked for secrets by prefix is asked for those.
    """

    @property
    def name(self) -> str:
        """Unique among the suites of one run; also names the suite's folder in the report."""
        ...

    @property
    def version(self) -> str:
        """A short hash."""
        ...

    @property
    def sources(self) -> Path | None:
        """The folder of its code."""
        ...

    def items(self) -> Iterator[Item | Skipped]:
        """Yield every record, the same ones in the same order each time.

        Raises:
            EvaluationError: the suite as a whole can't be used.
        """
        ...
