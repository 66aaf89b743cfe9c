"""The report for readers: as one HTML page, and its tables in Markdown for a pull request."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fimls.report import plots
from fimls.report.page import Table, markdown, percent
from fimls.report.page import render_page as render
from training.evaluation import tables
from training.evaluation.figures import BY_NAME
from training.evaluation.typing.typist import common_length

_TEMPLATE = Path(__file__).with_name("report.html.jinja")
_PLOTTED = ("passed", "exact", "similarity")

_Runs = Sequence[Mapping[str, Any]]


def render_page(report: Mapping[str, Any]) -> str:
    """Return the page; it needs nothing from anywhere."""
    runs = report["runs"]
    suites: dict[str, list[Mapping[str, Any]]] = {}
    for run in runs:
        suites.setdefault(run["suite"], []).append(run)
    return render(
        _TEMPLATE,
        gate=report["gate"],
        overview=tables.overview(report),
        comparisons={_compared(one): tables.changes(one) for one in report["comparisons"]},
        quality={
            f"{suite}: {BY_NAME[name].label}": plots.bars(bars, in_turn=len(of))
            for suite, of in suites.items()
            for name in _PLOTTED
            if (bars := _bars(of, name))
        },
        divided=_divided(runs),
        latency={
            suite: plots.distribution({run["label"]: run["times"]["all_ms"] for run in of}, "ms")
            for suite, of in suites.items()
        },
        confidence={suite: _confidence(of) for suite, of in suites.items()},
        memory=tables.memory(report["memory"]) if report["memory"] else None,
        skipped={f"{_title(run)}: left out": tables.skipped(run) for run in runs if run["skipped"]},
        examples={
            f"{_title(run)}: the worst": list(map(_example, run["examples"]))
            for run in runs
            if run["examples"]
        },
        how=json.dumps(
            {name: report[name] for name in ("about", "seed", "fimls", "machine")}, indent=1
        ),
    )


def render_markdown(report: Mapping[str, Any]) -> str:
    """Return the report's tables in Markdown."""
    parts = ["# Evaluation"]
    if report["gate"] is not None:
        parts.append(f"**{report['gate']['sentence']}**")
    found = {"Figures": tables.overview(report)}
    found |= {_compared(one): tables.changes(one) for one in report["comparisons"]}
    found |= _divided(report["runs"])
    if report["memory"]:
        found["Memorised"] = tables.memory(report["memory"])
    for title, table in found.items():
        parts += [f"## {title}", markdown(table)]
    return "\n\n".join(parts) + "\n"


def _title(run: Mapping[str, Any]) -> str:
    return f"{run['suite']}, {run['label']}"


def _compared(comparison: Mapping[str, Any]) -> str:
    return f"{comparison['suite']}: {comparison['before']} against {comparison['after']}"


def _divided(runs: _Runs) -> dict[str, Table]:
    return {
        f"{_title(run)}: by {division}": tables.by_division(run, division)
        for run in runs
        for division in tables.divisions(run)
    }


def _bars(runs: _Runs, measure: str) -> dict[str, Mapping[str, Any]]:
    """A measure of one suite by kind, each run's beside the others'."""
    by_kind = [run["figures"].get("kind") or run["figures"]["all"] for run in runs]
    return {
        f"{group}, {run['label']}": by[group][measure]
        for group in by_kind[0]
        for run, by in zip(runs, by_kind, strict=True)
        if measure in by.get(group, {})
    }


def _confidence(runs: _Runs) -> tuple[str, str]:
    """The expected errors of one suite's runs, and the plot of how often they are right."""
    errors = [f"{run['label']} {percent(run['calibration']['expected_error'])}" for run in runs]
    points = {
        run["label"]: [(one["confidence"], one["right"]) for one in run["calibration"]["bins"]]
        for run in runs
    }
    return ", ".join(errors), plots.agreement(points, "confidence", "right")


def _example(one: Mapping[str, Any]) -> dict[str, Any]:
    """An example with its title, and what came divided where it leaves what a person wrote."""
    shown, detail = one["shown"], f", {one['detail']}" if one["detail"] else ""
    same = common_length(shown, one["wanted"])
    title = f"{one['id']} ({one['kind']}, similarity {one['similarity']:.0%}{detail})"
    return {**one, "title": title, "same": shown[:same], "other": shown[same:]}
