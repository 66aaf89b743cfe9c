"""The report as one HTML page that needs nothing from anywhere."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from fimls.replay import svg
from fimls.replay.figures import WITH_ENGINE, WITHOUT_ENGINE, latencies
from fimls.replay.table import HEADINGS, suppressed, table

_STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1c; --paper: #fff; --soft: #8884; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e4e4; --paper: #1b1b1b; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid var(--soft);
  vertical-align: top; font-variant-numeric: tabular-nums; }
td:first-child { white-space: pre; }
svg { width: 100%; max-width: 44rem; } svg text { font-size: 12px; fill: var(--ink); }
.grid { stroke: var(--soft); } .interval { stroke: var(--ink); stroke-width: 2; }
pre { background: var(--soft); padding: .6rem; overflow-x: auto; white-space: pre-wrap; }
.right { color: #4b9560; } .wrong { color: #c0504d; }
"""
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
        _section("Figures", _table(["", *HEADINGS.values()], table(figures))),
        _section("Keystroke to items", svg.distribution(latency, "ms"), _LATENCY_NOTE),
        _section("What answered", svg.shares(answered)),
        _section("Characters saved", svg.bars(saved), _SAVED_NOTE),
        _section("Nothing shown, because", _table(["", *HEADINGS.values()], suppressed(figures))),
        _section("Memory of the server", svg.timeline(memory, "MiB resident", seconds="seconds")),
        _section("Longest wrong suggestions", "".join(map(_example, report["examples"]))),
        _section("How", f"<pre>{escape(json.dumps(_how(report), indent=1))}</pre>"),
    ]
    notes = "".join(f"<p><strong>Note:</strong> {escape(note)}</p>" for note in _notes(report))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>fimls: keystrokes</title><style>{_STYLE}</style></head><body>"
        f"<h1>Keystrokes</h1><p>{escape(_headline(report))}</p>{notes}{''.join(sections)}"
        "</body></html>\n"
    )


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


def _section(title: str, content: str, note: str = "") -> str:
    explained = f"<p>{escape(note)}</p>" if note else ""
    return f"<h2>{escape(title)}</h2>{explained}{content}"


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _example(one: Mapping[str, Any]) -> str:
    before = "\n".join(str(one["before"]).split("\n")[-4:])
    parts = [
        f"<h3>{escape(one['function'])} ({escape(one['kind'])})</h3>",
        f'<pre>{escape(before)}<span class="wrong">{escape(one["shown"])}</span></pre>',
        f'<pre>{escape(before)}<span class="right">{escape(one["wanted"])}</span></pre>',
    ]
    return "".join(parts)
