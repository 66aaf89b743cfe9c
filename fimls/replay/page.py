"""The report as one HTML page that needs nothing from anywhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any

from fimls.replay import html, svg
from fimls.replay.figures import WITH_ENGINE, WITHOUT_ENGINE, latencies
from fimls.replay.table import HEADINGS, suppressed, table

_LATENCY_NOTE = (
    "From the edit and the request leaving the editor to the answer's last byte. Superseded "
    "requests have no latency: the next key came first."
)
_SAVED_NOTE = (
    "Of the characters a person types (indentation is the editor's), those that came with an "
    "accepted suggestion. Intervals: 95 %, functions resampled."
)


def render_page(report: Mapping[str, Any]) -> str:
    """Return the page."""
    figures, rows = report["figures"], report["functions"]
    latency = {
        "all": [value for row in rows for value in latencies(row)],
        "with the engine": [value for row in rows for value in latencies(row, WITH_ENGINE)],
        "without it": [value for row in rows for value in latencies(row, WITHOUT_ENGINE)],
    }
    answered = {name: figures[scope]["answered_by"] for scope, name in HEADINGS.items()}
    saved = {
        f"{name}{how}": _triple(figures[scope][key])
        for scope, name in HEADINGS.items()
        for key, how in (("saved_share", ""), ("saved_by_word_share", ", by word too"))
    }
    memory = [(server, at, used / 2**20) for server, at, used in report["memory_series"]]
    sections = [
        html.section("Figures", html.table(["", *HEADINGS.values()], table(figures))),
        html.section("Keystroke to items", svg.distribution(latency, "ms"), _LATENCY_NOTE),
        html.section("What answered", svg.shares(answered)),
        html.section("Characters saved", svg.bars(saved), _SAVED_NOTE),
        html.section(
            "Nothing shown, because", html.table(["", *HEADINGS.values()], suppressed(figures))
        ),
        html.section(
            "Memory of the server", svg.timeline(memory, "MiB resident", seconds="seconds")
        ),
        html.section("Longest wrong suggestions", "".join(map(_example, report["examples"]))),
        html.section("How", f"<pre>{escape(json.dumps(_how(report), indent=1))}</pre>"),
    ]
    notes = "".join(f"<p><strong>Note:</strong> {escape(note)}</p>" for note in _notes(report))
    body = f"<p>{escape(_headline(report))}</p>{notes}{''.join(sections)}"
    return html.document("fimls: keystrokes", "Keystrokes", body)


def _headline(report: Mapping[str, Any]) -> str:
    server, plan = report["server"], report["plan"]
    return (
        f"{server['model'] or 'unknown model'} on {server['engine'] or 'unknown engine'}: "
        f"{len(report['functions'])} of {plan['functions']} functions of "
        f"{', '.join(plan['repositories'])}, typed in {report['elapsed_s']:,.0f} s, "
        f"seed {plan['seed']}."
    )


def _notes(report: Mapping[str, Any]) -> list[str]:
    notes = list(report["notes"])
    if report["interrupted"]:
        notes.append("interrupted; what follows is what was done until then")
    if report["failure"]:
        notes.append(f"ended early: {report['failure']}")
    return notes


def _how(report: Mapping[str, Any]) -> dict[str, Any]:
    return {name: report[name] for name in ("options", "plan", "server", "machine", "memory")}


def _triple(figure: Mapping[str, Any]) -> tuple[float, float | None, float | None]:
    return figure["value"] or 0.0, figure["low"], figure["high"]


def _example(one: Mapping[str, Any]) -> str:
    before = "\n".join(str(one["before"]).split("\n")[-4:])
    parts = [
        f"<h3>{escape(one['function'])} ({escape(one['kind'])})</h3>",
        f'<pre>{escape(before)}<span class="wrong">{escape(one["shown"])}</span></pre>',
        f'<pre>{escape(before)}<span class="right">{escape(one["wanted"])}</span></pre>',
    ]
    return "".join(parts)
