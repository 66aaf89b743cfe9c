"""Two runs of one plan, function by function: what the second changed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fimls.replay.figures import RATIOS, WITH_ENGINE, WITHOUT_ENGINE, Row, latencies, scopes
from fimls.replay.intervals import Figure, Resampler
from fimls.types import ConfigError

_COMPARED = (
    *("saved_share", "saved_by_word_share", "right_share", "wrong_per_typed_character"),
    *("shown_share", "engine_ms_per_typed_character"),
)


def read_report(path: Path) -> dict[str, Any]:
    """Read a report.json.

    Raises:
        ConfigError: it isn't one.
    """
    hint = "give two report.json files that `fimls bench keystrokes -o` wrote"
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"can't read the report {path}: {error}", hint=hint) from error
    if not isinstance(report, dict) or not {"plan", "functions"} <= report.keys():
        raise ConfigError(f"{path} is no report of keystrokes", hint=hint)
    return report


def compare(before: Mapping[str, Any], after: Mapping[str, Any], *, seed: int) -> dict[str, Any]:
    """Return for each scope and figure: both values, the difference and the relative change.

    Only functions that both runs typed to their ends count.

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
            scope: _scope(found, rows[1], seed)
            for scope, found in scopes([rows[0][name] for name in names]).items()
        },
    }


def _scope(before: Sequence[Row], after_by_name: Mapping[str, Row], seed: int) -> dict[str, Any]:
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
