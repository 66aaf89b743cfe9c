"""The figures of a run, from its rows: rates with 95 % intervals, clusters resampled as wholes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fimls.report.intervals import Figure, Resampler
from training.evaluation.journal import Row

PERCENTS = (50, 90, 95, 99)
ALL = "all"
_BINS = 10

Part = tuple[float, float]
"""What a row adds above and below a ratio's line."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A ratio over rows."""

    name: str
    label: str
    part: Callable[[Row], Part | None]
    """What a row adds; None where it has nothing to say."""
    binary: bool = False
    """A row is right or wrong: two runs can be compared by who is right where."""
    share: bool = True


def _mean(name: str) -> Callable[[Row], Part | None]:
    return lambda row: None if row[name] is None else (float(row[name]), 1.0)


def _passed(row: Row) -> Part | None:
    return (float(row["passed"][0]), 1.0) if row["passed"] else None


def _passed_any(row: Row) -> Part | None:
    """Of several candidates (pass@k, of the k that would be shown)."""
    return (float(any(row["passed"])), 1.0) if len(row["passed"]) > 1 else None


def _shown(row: Row) -> Part:
    return float(any(text.strip() for text in row["texts"])), 1.0


def _saved(row: Row) -> Part:
    return float(row["saved_characters"]), float(row["reference_characters"])


MEASURES = (
    Measure("passed", "pass@1", _passed, binary=True),
    Measure("passed_any", "pass@k", _passed_any, binary=True),
    Measure("exact", "exact match", _mean("exact"), binary=True),
    Measure("first_line", "first line matches", _mean("first_line"), binary=True),
    Measure("similarity", "edit similarity", _mean("similarity")),
    Measure("identifier_f1", "identifier F1", _mean("identifier_f1")),
    Measure("parses", "parses", _mean("parses"), binary=True),
    Measure("saved", "characters saved", _saved),
    Measure("shown", "something to show", _shown, binary=True),
    Measure("stopped", "stops by itself", _mean("stopped"), binary=True),
    Measure("generated_tokens", "tokens generated", _mean("generated_tokens"), share=False),
    Measure("prompt_tokens", "prompt tokens", _mean("prompt_tokens"), share=False),
)
BY_NAME = {measure.name: measure for measure in MEASURES}


def groups(rows: Sequence[Row]) -> dict[str, dict[str, list[Row]]]:
    """Return the rows by kind, language and context use; a division into one group tells nothing
    and is left out.
    """
    divisions: dict[str, Callable[[Row], str]] = {
        "kind": lambda row: str(row["kind"]),
        "language": lambda row: str(row["language"]),
        "context": lambda row: "with snippets" if row["snippets"] else "without snippets",
    }
    found: dict[str, dict[str, list[Row]]] = {ALL: {ALL: list(rows)}}
    for division, key in divisions.items():
        by: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            by[key(row)].append(row)
        if len(by) > 1:
            found[division] = dict(sorted(by.items()))
    return found


def figures(rows: Sequence[Row], seed: int) -> dict[str, dict[str, Any]]:
    """Return division -> group -> figures, as plain JSON; shares from 0 to 1."""
    return {
        division: {name: _group(found, seed) for name, found in by.items()}
        for division, by in groups(rows).items()
    }


def latencies(rows: Sequence[Row], seed: int) -> dict[str, Any]:
    """Return percentiles in milliseconds, of the whole completion and of its first token.

    With several requests at once these are what a busy server gives, not what a typist feels.
    """
    clusters = _clusters(rows)
    draw = Resampler(len(clusters), seed)
    found = {}
    for name in ("total_ms", "ttft_ms"):
        values = [
            [row["times"][name] for row in group if row["times"][name] is not None]
            for group in clusters
        ]
        quantiles = draw.quantiles(values, PERCENTS)
        found[name] = {percent: one.as_json() for percent, one in quantiles.items()}
    return found


def calibration(rows: Sequence[Row]) -> dict[str, Any]:
    """Return how often texts are right, by the confidence that they came with.

    Right: the tests pass, or where there are none the text is the reference. Bins hold equally many
    rows. expected_error: the mean distance of both (ECE), None without confidences.
    """
    known = [row for row in rows if row["confidence"] is not None]
    known.sort(key=lambda row: (row["confidence"], row["id"]))
    bins = []
    for index in range(_BINS):
        part = known[len(known) * index // _BINS : len(known) * (index + 1) // _BINS]
        if part:
            confidence = sum(row["confidence"] for row in part) / len(part)
            right = sum(map(is_right, part)) / len(part)
            bins.append(
                {"n": len(part), "confidence": round(confidence, 4), "right": round(right, 4)}
            )
    error = sum(one["n"] * abs(one["confidence"] - one["right"]) for one in bins)
    return {"bins": bins, "expected_error": round(error / len(known), 4) if known else None}


def is_right(row: Row) -> bool:
    """Whether a row's first text passes its tests or, without tests, is the reference."""
    return bool(row["passed"][0] if row["passed"] else row["exact"])


def ratio(rows: Sequence[Sequence[Row]], measure: Measure, draw: Resampler) -> Figure:
    """Return a measure over clusters of rows."""
    return draw.ratio(*sums(rows, measure))


def sums(clusters: Sequence[Sequence[Row]], measure: Measure) -> tuple[list[float], list[float]]:
    """Return what each cluster adds above and below the line."""
    parts = [[part for row in group if (part := measure.part(row))] for group in clusters]
    return (
        [sum(above for above, _ in group) for group in parts],
        [sum(below for _, below in group) for group in parts],
    )


def _group(rows: Sequence[Row], seed: int) -> dict[str, Any]:
    clusters = _clusters(rows)
    draw = Resampler(len(clusters), seed)
    found: Mapping[str, Figure] = {
        measure.name: ratio(clusters, measure, draw) for measure in MEASURES
    }
    known = {name: one.as_json() for name, one in found.items() if one.value is not None}
    return {"items": len(rows), "clusters": len(clusters), **known}


def _clusters(rows: Sequence[Row]) -> list[list[Row]]:
    by: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by[row["cluster"]].append(row)
    return list(by.values())
