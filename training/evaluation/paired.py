"""Two runs of the same items: what the second does better, and whether that could be chance.

The difference has a 95 % interval from a paired bootstrap: clusters are drawn with the rows of both
runs. Two exact tests stand beside it, which assume less. McNemar's looks at the items that one run
gets right and the other wrong, as if items were independent. The sign test counts the clusters in
which one run is better.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fimls.report.intervals import Figure, Resampler
from training.evaluation.figures import MEASURES, Measure, groups, sums
from training.evaluation.journal import Row
from training.types import EvaluationError

Pair = tuple[Row, Row]


@dataclass(frozen=True, slots=True)
class Change:
    """One measure, before and after. better, worse: items, of a measure that is right or wrong.

    mcnemar_p, sign_p: two-sided; None where nothing differs, or nothing can.
    """

    before: Figure
    after: Figure
    difference: Figure
    better: int | None
    worse: int | None
    mcnemar_p: float | None
    sign_p: float | None

    def as_json(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        figures = {
            name: getattr(self, name).as_json() for name in ("before", "after", "difference")
        }
        return {**asdict(self), **figures}


def compare(
    before: Sequence[Row], after: Sequence[Row], seed: int
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return division -> group -> measure -> change, for the items that both runs have.

    Raises:
        EvaluationError: they have none in common.
    """
    others = {row["id"]: row for row in after}
    common = [row for row in before if row["id"] in others]
    if not common:
        raise EvaluationError("the runs have no item in common", hint="run both on one suite")
    return {
        division: {
            name: _group([(row, others[row["id"]]) for row in rows], seed)
            for name, rows in by.items()
        }
        for division, by in groups(common).items()
    }


def change(pairs: Sequence[Pair], measure: Measure, seed: int) -> Change | None:
    """Return what became of a measure, None where a run has no value of it."""
    usable = [pair for pair in pairs if measure.part(pair[0]) and measure.part(pair[1])]
    if not usable:
        return None
    by: dict[str, list[Pair]] = defaultdict(list)
    for pair in usable:
        by[pair[0]["cluster"]].append(pair)
    clusters = list(by.values())
    first, second = (
        sums([[pair[side] for pair in group] for group in clusters], measure) for side in (0, 1)
    )
    draw = Resampler(len(clusters), seed)
    difference, _ = draw.change(first, second)
    gains = [after - before for before, after in zip(first[0], second[0], strict=True)]
    better = worse = None
    if measure.binary:
        outcomes = [(_value(one, measure), _value(other, measure)) for one, other in usable]
        better = sum(after > before for before, after in outcomes)
        worse = sum(after < before for before, after in outcomes)
    return Change(
        before=draw.ratio(*first),
        after=draw.ratio(*second),
        difference=difference,
        better=better,
        worse=worse,
        mcnemar_p=None if better is None or worse is None else binomial_p(better, worse),
        sign_p=binomial_p(sum(gain > 0 for gain in gains), sum(gain < 0 for gain in gains)),
    )


def binomial_p(one: int, other: int) -> float | None:
    """Return the exact two-sided p-value of two counts that should be alike, None for 0 and 0."""
    total = one + other
    if not total:
        return None
    everything = total * math.log(2)
    tail = sum(
        math.exp(_log_choices(total, count) - everything) for count in range(min(one, other) + 1)
    )
    return min(1.0, float(f"{2 * tail:.3g}"))


def _log_choices(total: int, count: int) -> float:
    return math.lgamma(total + 1) - math.lgamma(count + 1) - math.lgamma(total - count + 1)


def _group(pairs: Sequence[Pair], seed: int) -> dict[str, Any]:
    found = {measure.name: change(pairs, measure, seed) for measure in MEASURES}
    changes = {name: one.as_json() for name, one in found.items() if one is not None}
    return {"items": len(pairs), **changes}


def _value(row: Row, measure: Measure) -> float:
    part = measure.part(row)
    return part[0] if part else 0.0
