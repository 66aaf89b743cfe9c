"""The figures of a run, from its rows, and what a second run of the same plan changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from fimls.report.intervals import Figure, Resampler
from fimls.types import ConfigError
from training.evaluation.typing.plan import KINDS

PERCENTS = (50, 90, 95, 99)
WITH_ENGINE, WITHOUT_ENGINE = ("engine", "flight"), ("cache", "none")
ALL = "all"

Row = Mapping[str, Any]

_SUMS = (
    *("characters", "keys", "slip_keys", "looks", "answered", "superseded", "failed", "late"),
    *("answers_with_items", "suggestions", "shown_characters", "right_characters"),
    *("wrong_characters", "accepted_whole", "accepted_line", "saved_characters"),
    *("saved_by_word_characters", "engine_ms", "generated_tokens", "with_snippets"),
)
# name: the quantity, and what it is divided by
RATIOS: Mapping[str, tuple[str, str]] = {
    "saved_share": ("saved_characters", "characters"),
    "saved_by_word_share": ("saved_by_word_characters", "characters"),
    "right_share": ("right_characters", "shown_characters"),
    "wrong_per_typed_character": ("wrong_characters", "characters"),
    "shown_share": ("answers_with_items", "answered"),
    "superseded_share": ("superseded", "looks"),
    "engine_ms_per_typed_character": ("engine_ms", "characters"),
    "engine_ms_per_saved_character": ("engine_ms", "saved_characters"),
}

_COMPARED = (
    *("saved_share", "saved_by_word_share", "right_share", "wrong_per_typed_character"),
    *("shown_share", "engine_ms_per_typed_character"),
)


def scopes(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return all rows, and the rows of each kind of function."""
    return {ALL: list(rows)} | {
        kind: [row for row in rows if row["kind"] == kind] for kind in KINDS
    }


def figures(rows: Sequence[Row], seed: int) -> dict[str, dict[str, Any]]:
    """Return the figures of each scope as plain JSON; times are milliseconds, shares 0 to 1."""
    return {scope: _scope(found, seed) for scope, found in scopes(rows).items()}


def latencies(
    row: Row, answered_by: Iterable[str] | None = None, *, items: bool = False
) -> list[float]:
    """Return a row's latencies in milliseconds, of all answers or of those answered in some ways.

    items: only of answers that showed something.
    """
    by = row["item_latency_ms" if items else "latency_ms"]
    return [
        value for name in (by if answered_by is None else answered_by) for value in by.get(name, ())
    ]


def compare(before: Mapping[str, Any], after: Mapping[str, Any], *, seed: int) -> dict[str, Any]:
    """Return for each scope and figure: both values, the difference and the relative change.

    Only functions that both runs finished count.

    Raises:
        ConfigError: they typed different plans, or have no function in common.
    """
    plans = [report["plan"]["fingerprint"] for report in (before, after)]
    if plans[0] != plans[1]:
        raise ConfigError(
            f"the reports typed different plans: {plans[0]} and {plans[1]}",
            hint="run both with the same repositories, --functions, --seed and --language",
        )
    rows = [{row["name"]: row for row in report["functions"]} for report in (before, after)]
    names = [
        name
        for name, row in rows[0].items()
        if row["finished"] and rows[1].get(name, {}).get("finished")
    ]
    if not names:
        raise ConfigError("the reports have no finished function in common")
    return {
        "name": "keystrokes-comparison",
        "plan": plans[0],
        "scopes": {
            scope: _changes(found, rows[1], seed)
            for scope, found in scopes([rows[0][name] for name in names]).items()
        },
    }


def _scope(rows: list[Row], seed: int) -> dict[str, Any]:
    draw = Resampler(len(rows), seed)
    # Without explanations a sum of 0 means that it isn't known.
    explained = any(name != "unknown" for row in rows for name in row["answered_by"])
    ratios = {
        name: of for name, of in RATIOS.items() if explained or not name.startswith("engine_ms")
    }
    unknown = dict.fromkeys(RATIOS.keys() - ratios.keys(), Figure(None).as_json())
    sums = {name: round(sum(row[name] for row in rows), 1) for name in _SUMS}
    return {
        "functions": len(rows),
        "finished": sum(bool(row["finished"]) for row in rows),
        **{name: int(value) if name != "engine_ms" else value for name, value in sums.items()},
        **{
            name: draw.ratio([row[above] for row in rows], [row[below] for row in rows]).as_json()
            for name, (above, below) in ratios.items()
        },
        **unknown,
        "suppressed": _summed(row["suppressed"] for row in rows),
        "answered_by": _summed(row["answered_by"] for row in rows),
        "without_engine_share": _without_engine(rows, draw),
        "latency_ms": {
            name: _percentiles([latencies(row, by, items=items) for row in rows], draw)
            for name, by, items in (
                (ALL, None, False),
                ("with_engine", WITH_ENGINE, False),
                ("with_engine_items", WITH_ENGINE, True),
                ("without_engine", WITHOUT_ENGINE, False),
                ("without_engine_items", WITHOUT_ENGINE, True),
            )
        },
        "prompts": _prompts(rows, draw),
    }


def _without_engine(rows: list[Row], draw: Resampler) -> dict[str, float | None]:
    """Of the answers that are explained, the share that needed no generation."""

    def count(row: Row, names: Iterable[str]) -> int:
        return sum(row["answered_by"].get(name, 0) for name in names)

    without = [count(row, WITHOUT_ENGINE) for row in rows]
    known = [count(row, (*WITH_ENGINE, *WITHOUT_ENGINE)) for row in rows]
    return draw.ratio(without, known).as_json()


def _percentiles(groups: list[list[float]], draw: Resampler) -> dict[str, Any]:
    found = draw.quantiles(groups, PERCENTS)
    return {"n": sum(map(len, groups))} | {name: one.as_json() for name, one in found.items()}


def _prompts(rows: list[Row], draw: Resampler) -> dict[str, Any]:
    """What the prompts cost, measured, and modelled in both orders; ratios of sums."""
    tokens = [[prompt[0] for prompt in row["prompts"]] for row in rows]
    computed = [[prompt[1] for prompt in row["prompts"]] for row in rows]
    tokens_sums, computed_sums = [list(map(sum, lists)) for lists in (tokens, computed)]
    counts = list(map(len, tokens))
    reused_sums = [one - other for one, other in zip(tokens_sums, computed_sums, strict=True)]
    modelled = [row["modelled_prompts"] for row in rows]
    as_sent = [row["modelled_as_sent"] for row in rows]
    prefix_first = [row["modelled_prefix_first"] for row in rows]
    return {
        "n": sum(counts),
        "tokens": sum(tokens_sums),
        "reused_tokens": sum(reused_sums),
        "computed_tokens": sum(computed_sums),
        "tokens_median": _median(tokens),
        "computed_tokens_median": _median(computed),
        "tokens_per_prompt": draw.ratio(tokens_sums, counts).as_json(),
        "computed_per_prompt": draw.ratio(computed_sums, counts).as_json(),
        "reused_share": draw.ratio(reused_sums, tokens_sums).as_json(),
        "modelled": {
            "computed_per_prompt_as_sent": draw.ratio(as_sent, modelled).as_json(),
            "computed_per_prompt_prefix_first": draw.ratio(prefix_first, modelled).as_json(),
            "prefix_first_to_as_sent": draw.ratio(prefix_first, as_sent).as_json(),
        },
    }


def _median(lists: list[list[int]]) -> float | None:
    values = [value for one in lists for value in one]
    return float(median(values)) if values else None


def _summed(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(total.most_common())


def _changes(before: Sequence[Row], after_by_name: Mapping[str, Row], seed: int) -> dict[str, Any]:
    after = [after_by_name[row["name"]] for row in before]
    draw = Resampler(len(before), seed)
    found: dict[str, Any] = {"functions": len(before)}
    for name in _COMPARED:
        above, below = RATIOS[name]
        sides = [
            ([row[above] for row in one], [row[below] for row in one]) for one in (before, after)
        ]
        difference, relative = draw.change(sides[0], sides[1])
        found[name] = {
            "before": draw.ratio(*sides[0]).as_json(),
            "after": draw.ratio(*sides[1]).as_json(),
            "difference": difference.as_json(),
            "relative": relative.as_json(),
        }
    for name, answered_by in (("with_engine", WITH_ENGINE), ("without_engine", WITHOUT_ENGINE)):
        found[f"latency_ms_{name}"] = {
            side: _as_json(draw.quantiles([latencies(row, answered_by) for row in one], (50, 95)))
            for side, one in (("before", before), ("after", after))
        }
    return found


def _as_json(found: Mapping[str, Figure]) -> dict[str, Any]:
    return {name: figure.as_json() for name, figure in found.items()}
