"""The report as one HTML page that needs nothing from anywhere."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from fimls.replay import html, svg
from fimls.replay.cells import percent
from fimls.replay.typist import common_length
from training.evaluation import tables
from training.evaluation.figures import BY_NAME

_STYLE = """
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: .6rem; }
.around { opacity: .55; }
.promoted { color: #4b9560; } .refused { color: #c0504d; }
td { white-space: pre-wrap; }
"""
_INTERVALS = (
    "Brackets: 95 %, by bootstrap over clusters (a problem's tasks, a file's holes), which aren't "
    "independent of each other."
)
_CALIBRATION = (
    "How often a completion is right, by the mean probability of its tokens; tenths of all items. "
    "On the diagonal the model is as sure as it should be."
)
_EXAMPLES = "Left what came, right what a person wrote. Grey: the file around the hole."
_LATENCY = "Of whole completions, with the requests at once that the command says."

_Runs = Sequence[Mapping[str, Any]]
_Triple = tuple[float, float | None, float | None]


def render_page(report: Mapping[str, Any]) -> str:
    """Return the page."""
    runs = report["runs"]
    suites = _suites(runs)
    sections = [
        html.section("Figures", html.table(*tables.overview(report)), _INTERVALS),
        *(_comparison(one) for one in report["comparisons"]),
        html.section("Quality", "".join(map(_quality, suites))),
        *(_divided(run) for run in runs),
        html.section("Latency", "".join(map(_latencies, suites)), _LATENCY),
        html.section("Confidence", "".join(map(_calibrations, suites)), _CALIBRATION),
        _memory(report["memory"]),
        *(_skipped(run) for run in runs if run["skipped"]),
        *(_examples(run) for run in runs),
        html.section("How", f"<pre>{escape(json.dumps(_how(report), indent=1))}</pre>"),
    ]
    body = f"{_decision(report['gate'])}{''.join(sections)}"
    return html.document("fimls: evaluation", "Evaluation", body, _STYLE)


def _decision(gate: Mapping[str, Any] | None) -> str:
    if gate is None:
        return ""
    kind = "promoted" if gate["promote"] else "refused"
    return f'<p class="{kind}"><strong>{escape(gate["sentence"])}</strong></p>'


def _suites(runs: _Runs) -> list[_Runs]:
    names = dict.fromkeys(run["suite"] for run in runs)
    return [[run for run in runs if run["suite"] == name] for name in names]


def _quality(runs: _Runs) -> str:
    """One suite's bars by kind, each run's beside the others'."""
    parts = []
    for measure in (BY_NAME["passed"], BY_NAME["exact"], BY_NAME["similarity"]):
        rows: dict[str, _Triple] = {}
        groups = runs[0]["figures"].get("kind") or runs[0]["figures"]["all"]
        for group in groups:
            for run in runs:
                by = run["figures"].get("kind") or run["figures"]["all"]
                figure = by.get(group, {}).get(measure.name)
                if figure is not None:
                    rows[f"{group}, {run['label']}"] = _triple(figure)
        if rows:
            title = f"{runs[0]['suite']}: {measure.label}"
            parts.append(f"<h3>{escape(title)}</h3>{svg.bars(rows, in_turn=len(runs))}")
    return "".join(parts)


def _divided(run: Mapping[str, Any]) -> str:
    return "".join(
        html.section(
            f"{run['suite']}, {run['label']}: by {division}",
            html.table(*tables.by_division(run, division)),
        )
        for division in tables.divisions(run)
    )


def _comparison(comparison: Mapping[str, Any]) -> str:
    title = f"{comparison['suite']}: {comparison['before']} against {comparison['after']}"
    return html.section(title, html.table(*tables.changes(comparison)))


def _latencies(runs: _Runs) -> str:
    times = {run["label"]: run["times"]["all_ms"] for run in runs}
    return f"<h3>{escape(runs[0]['suite'])}</h3>{svg.distribution(times, 'ms')}"


def _calibrations(runs: _Runs) -> str:
    points = {
        run["label"]: [(one["confidence"], one["right"]) for one in run["calibration"]["bins"]]
        for run in runs
    }
    errors = ", ".join(
        f"{run['label']} {percent(run['calibration']['expected_error'])}" for run in runs
    )
    plot = svg.agreement(points, "confidence", "right")
    return f"<h3>{escape(runs[0]['suite'])}</h3><p>Expected error: {escape(errors)}</p>{plot}"


def _memory(audit: Mapping[str, Any]) -> str:
    if not audit:
        return ""
    return html.section("Memorised", html.table(*tables.memory(audit)))


def _skipped(run: Mapping[str, Any]) -> str:
    return html.section(
        f"{run['suite']}, {run['label']}: left out", html.table(*tables.skipped(run))
    )


def _examples(run: Mapping[str, Any]) -> str:
    shown = "".join(map(_example, run["examples"]))
    title = f"{run['suite']}, {run['label']}: the worst"
    return html.section(title, shown, _EXAMPLES) if shown else ""


def _example(one: Mapping[str, Any]) -> str:
    shown, wanted = str(one["shown"]), str(one["wanted"])
    same = common_length(shown, wanted)
    sides = (
        f"{_span('right', shown[:same])}{_span('wrong', shown[same:])}",
        _span("right", wanted),
    )
    blocks = "".join(
        f"<pre>{_span('around', one['before'])}{side}{_span('around', one['after'])}</pre>"
        for side in sides
    )
    detail = f", {one['detail']}" if one["detail"] else ""
    title = f"{one['id']} ({one['kind']}, similarity {one['similarity']:.0%}{detail})"
    return f'<h3>{escape(title)}</h3><div class="pair">{blocks}</div>'


def _span(kind: str, text: str) -> str:
    return f'<span class="{kind}">{escape(text)}</span>'


def _how(report: Mapping[str, Any]) -> dict[str, Any]:
    return {name: report[name] for name in ("about", "seed", "fimls", "machine")}


def _triple(figure: Mapping[str, Any]) -> _Triple:
    return figure["value"] or 0.0, figure["low"], figure["high"]
