"""Seeded bootstrap intervals. Clusters are resampled as wholes: what is in one isn't independent.

A cluster is a function that is typed, a problem's tasks or a file's holes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1_000
_LOW, _HIGH = 2.5, 97.5

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Figure:
    """A value and its 95 % interval; None where there is too little to know it."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def as_json(self) -> dict[str, float | None]:
        """Return it as plain JSON, with four digits."""
        return {name: _rounded(value) for name, value in asdict(self).items()}


class Resampler:
    """Draws ``clusters`` clusters with replacement 1,000 times, the same ones for each figure."""

    def __init__(self, clusters: int, seed: int) -> None:
        self._weights: Floats = np.zeros((0, clusters))  # how often each is in each resample
        if clusters:
            even = np.full(clusters, 1 / clusters)
            draws = np.random.default_rng(seed).multinomial(clusters, even, RESAMPLES)
            self._weights = draws.astype(np.float64)
        self._clusters = clusters

    def ratio(self, above: Sequence[float], below: Sequence[float]) -> Figure:
        """Return sum(above) / sum(below); each has a number for each cluster."""
        value, resampled = self.ratios(above, below)
        return self._figure(value, resampled)

    def ratios(self, above: Sequence[float], below: Sequence[float]) -> tuple[float | None, Floats]:
        """Return the ratio, and the ratio of each resample that has one."""
        top, bottom = np.asarray(above, float), np.asarray(below, float)
        if not bottom.sum():
            return None, np.zeros(0)
        tops, bottoms = self._weights @ top, self._weights @ bottom
        # A resample without a single case says nothing about the ratio.
        return float(top.sum() / bottom.sum()), tops[bottoms > 0] / bottoms[bottoms > 0]

    def change(
        self,
        before: tuple[Sequence[float], Sequence[float]],
        after: tuple[Sequence[float], Sequence[float]],
    ) -> tuple[Figure, Figure]:
        """Return the difference and the relative change of two ratios, paired by cluster."""
        sums = [np.asarray(values, float) for values in (*before, *after)]
        totals = [float(values.sum()) for values in sums]
        if not totals[1] or not totals[3]:
            return Figure(None), Figure(None)
        drawn = [self._weights @ values for values in sums]
        usable = (drawn[1] > 0) & (drawn[3] > 0)
        first, second = (drawn[at][usable] / drawn[at + 1][usable] for at in (0, 2))
        one, other = totals[0] / totals[1], totals[2] / totals[3]
        difference = self._figure(other - one, second - first)
        positive = first > 0
        relative = (second[positive] / first[positive] - 1) if one else np.zeros(0)
        return difference, self._figure(other / one - 1 if one else None, relative)

    def quantiles(
        self, groups: Sequence[Sequence[float]], percents: Sequence[float]
    ) -> dict[str, Figure]:
        """Return percentiles of all values together; each cluster has a group of them."""
        values = np.asarray([value for group in groups for value in group], float)
        if not len(values):
            return {f"p{percent:g}": Figure(None) for percent in percents}
        owners = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
        order = np.argsort(values, kind="stable")
        values, owners = values[order], owners[order]
        places = np.asarray(percents) / 100
        resampled = [_quantiles(values, weights[owners], places) for weights in self._weights]
        table = np.asarray([row for row in resampled if row is not None])
        return {
            f"p{percent:g}": self._figure(
                float(np.percentile(values, percent)),
                table[:, column] if len(table) else np.zeros(0),
            )
            for column, percent in enumerate(percents)
        }

    def _figure(self, value: float | None, resampled: Floats) -> Figure:
        if value is None or self._clusters < 2 or not len(resampled):
            return Figure(value)
        low, high = np.percentile(resampled, [_LOW, _HIGH])
        return Figure(value, float(low), float(high))


def _quantiles(values: Floats, weights: Floats, places: Floats) -> Floats | None:
    """Return quantiles of sorted values, each counted ``weights`` times."""
    reached = np.cumsum(weights)
    if not reached[-1]:
        return None
    found = np.searchsorted(reached, places * reached[-1], side="left")
    quantiles: Floats = values[np.minimum(found, len(values) - 1)]
    return quantiles


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
