"""Two runs of the same items: what the second does better, whether that could be chance, and
whether its adapter may replace what is served now.

The difference has a 95 % interval from a paired bootstrap, which draws clusters with the rows of
both runs. Two exact tests, which assume less, accompany it. McNemar's test looks at the items that
one run gets right and the other wrong, as if items were independent. The sign test counts the
clusters in which one run is better.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fimls.report.intervals import Figure, Resampler
from fimls.report.page import percent, share
from training.evaluation.figures import ALL, BY_NAME, MEASURES, Measure, groups, sums
from training.evaluation.journal import Row
from training.types import EvaluationError

Pair = tuple[Row, Row]

MARGIN = 0.05
"""How much of a general suite may be lost, as a share of its items."""
# What decides, the best evidence first.
_DECIDING = ("passed", "exact")

Changes = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""What :func:`compare` returns."""


@dataclass(frozen=True, slots=True)
class Change:
    """One measure, before and after."""

    before: Figure
    after: Figure
    difference: Figure
    better: int | None
    """Items, of a measure that is right or wrong."""
    worse: int | None
    """Likewise."""
    mcnemar_p: float | None
    """Two-sided; None where nothing differs, or can."""
    sign_p: float | None
    """Likewise."""

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


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether an adapter is promoted."""

    promote: bool
    sentence: str
    """Why, with the numbers."""


def decide(
    own: Mapping[str, Changes], general: Mapping[str, Changes], *, margin: float = MARGIN
) -> Decision:
    """Decide. own, general: by suite, what the adapter changed.

    Promote only if the whole 95 % interval of the difference is above 0 on every own suite, and
    above ``-margin`` on every general one. Doubt means no: a small difference needs more items. The
    deciding measure is pass@1 where tests ran, else exact match.

    Raises:
        EvaluationError: there is no suite of one's own, or no general one.
    """
    if not own or not general:
        raise EvaluationError(
            "the gate needs the repository's suite and a general one",
            hint="give a repository or dataset; --general names the other",
        )
    findings = [
        *(_finding(name, changes, 0.0) for name, changes in own.items()),
        *(_finding(name, changes, -margin) for name, changes in general.items()),
    ]
    refused = [sentence for fine, sentence in findings if not fine]
    shown = refused or [sentence for _, sentence in findings]
    word = "not promoted" if refused else "promoted"
    return Decision(promote=not refused, sentence=f"{word}: {'; '.join(shown)}")


def _finding(name: str, changes: Changes, least: float) -> tuple[bool, str]:
    """Return whether a suite speaks for the adapter, and what it says."""
    found = changes[ALL][ALL]
    measure = next(BY_NAME[one] for one in _DECIDING if one in found)
    change = found[measure.name]
    difference = change["difference"]
    low, high = difference["low"], difference["high"]
    before, after = (percent(change[side]["value"]) for side in ("before", "after"))
    values = f"{measure.label} on {name} {before} -> {after}, difference {share(difference)}"
    if low is None:
        return False, f"{values}: one file or problem can't tell"
    fine = low > least
    if least:
        verdict = "no worse than" if fine else "worse than" if high < least else "may be worse than"
        return fine, f"{values}, {verdict} the margin of {percent(least)}"
    return fine, f"{values}, {'better' if fine else 'worse' if high < 0 else 'not surely better'}"
