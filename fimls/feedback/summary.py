"""Suggestions added up: by day, language or model."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from fimls.feedback.suggestion import Suggestion

GROUPS: dict[str, Callable[[Suggestion], str]] = {
    "day": lambda one: time.strftime("%Y-%m-%d", time.localtime(one.at)),
    "language": lambda one: one.language or "?",
    "model": lambda one: f"{one.model} + {one.adapter}" if one.adapter else one.model,
}
"""What ``fimls stats`` groups by."""

_KEPT_FROM = 0.5  # as much of the text counts as kept
_PERCENTILE = 95


@dataclass(frozen=True, slots=True)
class Line:
    """One group. Shares are of 1, None where there is nothing to divide by.

    accepted, partly: suggestions taken whole, and by words or lines. kept: of those taken that were
    looked for, the share that was there after 30 s, 2 and 10 minutes.
    """

    name: str
    shown: int
    accepted: int
    partly: int
    accepted_characters: int
    kept_characters: int
    kept: tuple[float | None, float | None, float | None]
    latency_p50_ms: float | None
    latency_p95_ms: float | None

    @property
    def acceptance(self) -> float | None:
        """The share of shown suggestions of which something was taken."""
        return (self.accepted + self.partly) / self.shown if self.shown else None


def summarize(suggestions: Iterable[Suggestion], by: str = "") -> list[Line]:
    """One line for each group of ``GROUPS[by]``, in order; by "": one for all."""
    groups: dict[str, list[Suggestion]] = {}
    name_of = GROUPS[by] if by else lambda _: "all"
    for one in suggestions:
        groups.setdefault(name_of(one), []).append(one)
    return [_line(name, groups[name]) for name in sorted(groups)]


def _line(name: str, group: Sequence[Suggestion]) -> Line:
    # Taken counts as shown: an editor that doesn't tell what it shows still tells what was taken.
    shown = [one for one in group if one.shown or one.accepted]
    taken = [one for one in shown if one.accepted]
    latencies = sorted(one.latency_ms for one in shown)
    kept = tuple(_kept([one.kept[check] for one in taken]) for check in range(3))
    return Line(
        name=name,
        shown=len(shown),
        accepted=sum(one.how == "whole" for one in taken),
        partly=sum(one.how == "part" for one in taken),
        accepted_characters=sum(one.accepted for one in taken),
        kept_characters=round(sum(one.accepted * _last(one) for one in taken)),
        kept=(kept[0], kept[1], kept[2]),
        latency_p50_ms=statistics.median(latencies) if latencies else None,
        latency_p95_ms=latencies[len(latencies) * _PERCENTILE // 100] if latencies else None,
    )


def _kept(shares: Sequence[float | None]) -> float | None:
    known = [share for share in shares if share is not None]
    return sum(share >= _KEPT_FROM for share in known) / len(known) if known else None


def _last(one: Suggestion) -> float:
    """The latest known share; what was never looked for counts as kept."""
    return next((share for share in reversed(one.kept) if share is not None), 1.0)
