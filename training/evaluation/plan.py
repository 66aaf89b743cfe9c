"""Which items of a suite are asked for, decided by a seed before anything runs."""

from __future__ import annotations

import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass

from training.evaluation.suites.base import Item, Skipped, Suite
from training.types import EvaluationError


@dataclass(frozen=True, slots=True)
class Choice:
    """Which items. limit: a seeded sample of so many. one_per_cluster: a seeded one of each problem
    or file. kinds: only these, () for all.
    """

    limit: int | None = None
    one_per_cluster: bool = False
    kinds: tuple[str, ...] = ()
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked for, in the suite's order, and which records can't be."""

    suite: Suite
    items: tuple[Item, ...]
    skipped: tuple[Skipped, ...]

    @property
    def fingerprint(self) -> str:
        """A hash of the chosen items' ids: runs with the same one have the same items."""
        ids = "\n".join(item.id for item in self.items)
        return hashlib.sha256(f"{self.suite.version}\n{ids}".encode()).hexdigest()[:16]

    @property
    def reasons(self) -> dict[str, int]:
        """How many records were skipped, by reason."""
        return dict(Counter(one.reason for one in self.skipped).most_common())


def make_plan(suite: Suite, choice: Choice, *, leak: Callable[[Item], str] | None = None) -> Plan:
    """Choose. leak: why an item may not be used, "" if it may; applied before the choice.

    Raises:
        EvaluationError: no item is left, or a kind is unknown.
    """
    items: list[Item] = []
    skipped: list[Skipped] = []
    seen: set[str] = set()
    for record in suite.items():
        if isinstance(record, Skipped):
            skipped.append(record)
        elif record.id in seen:
            skipped.append(Skipped(record.id, "id stands twice"))
        elif leak is not None and (found := leak(record)):
            skipped.append(Skipped(record.id, "leaked", found))
        else:
            items.append(record)
        if isinstance(record, Item):
            seen.add(record.id)
    _require_kinds({item.kind for item in items}, choice.kinds, suite)
    chosen = [item for item in items if not choice.kinds or item.kind in choice.kinds]
    chance = random.Random(f"{choice.seed}:{suite.name}")  # noqa: S311 - a repeatable choice
    if choice.one_per_cluster:
        clusters: dict[str, list[Item]] = defaultdict(list)
        for item in chosen:
            clusters[item.cluster].append(item)
        chosen = [chance.choice(group) for group in clusters.values()]
    if choice.limit is not None and len(chosen) > choice.limit:
        places = sorted(chance.sample(range(len(chosen)), choice.limit))
        chosen = [chosen[place] for place in places]
    if not chosen:
        counts = ", ".join(
            f"{count} {why}" for why, count in Counter(one.reason for one in skipped).most_common()
        )
        raise EvaluationError(
            f"{suite.name} has no item to evaluate{f' ({counts})' if counts else ''}",
            hint="give another suite, or a folder with code that parses",
        )
    return Plan(suite, tuple(chosen), tuple(skipped))


def _require_kinds(known: Collection[str], wanted: Collection[str], suite: Suite) -> None:
    if unknown := sorted(set(wanted) - set(known)):
        raise EvaluationError(
            f"{suite.name} has no items of kind {', '.join(unknown)}",
            hint=f"it has {', '.join(sorted(known))}",
        )
