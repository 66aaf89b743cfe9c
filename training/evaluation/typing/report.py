"""The report of a run: as JSON, as tables in a terminal, and as a page."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console

from fimls import __version__
from fimls.report import plots
from fimls.report.machine import machine_facts
from fimls.report.page import interval, number, print_table, render_page, share, short
from fimls.types import ConfigError
from training.evaluation.typing.figures import ALL, WITH_ENGINE, WITHOUT_ENGINE, figures, latencies
from training.evaluation.typing.plan import KINDS, LOCAL, OTHER_FILE, Plan
from training.evaluation.typing.run import Run

HEADINGS = {ALL: "all", OTHER_FILE: "needs another file", LOCAL: "local"}
"""Each scope's column, in order."""

Figures = Mapping[str, Any]

_EXAMPLES = 12
_EXAMPLE_LINES = 4
_DETAILS = ("functions", "memory_series", "examples")
_TEMPLATE = Path(__file__).with_name("report.html.jinja")


def make_report(
    plan: Plan, run: Run, options: Mapping[str, object], *, interrupted: bool
) -> dict[str, Any]:
    """Return everything that is kept of a run, as plain JSON."""
    examples = sorted(run.examples, key=lambda one: -int(one["wrong_characters"]))
    return {
        "name": "keystrokes",
        "fimls": __version__,
        "options": dict(options),
        "plan": {
            "fingerprint": plan.fingerprint,
            "seed": plan.seed,
            "repositories": [repository.name for repository in plan.repositories],
            "functions": len(plan.tasks),
            "characters": sum(task.typed_characters for task in plan.tasks),
            "kinds": {kind: sum(task.kind == kind for task in plan.tasks) for kind in KINDS},
        },
        "server": {name: run.status.get(name) for name in ("engine", "model", "adapter")},
        "machine": machine_facts(),
        "interrupted": interrupted,
        "failure": None if run.failure is None else str(run.failure),
        "notes": run.notes,
        "elapsed_s": round(run.elapsed_s, 1),
        "memory": _memory(run),
        "figures": figures(run.rows, plan.seed),
        "functions": run.rows,
        "memory_series": [list(sample) for sample in run.memory],
        "examples": examples[:_EXAMPLES],
    }


def summary(report: Mapping[str, Any]) -> str:
    """Return the report without its details: one line of JSON."""
    return json.dumps({name: value for name, value in report.items() if name not in _DETAILS})


def write_report(report: Mapping[str, Any], folder: Path) -> None:
    """Write report.json and report.html. Both quote the code that was typed."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report, ensure_ascii=False, indent=1)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    (folder / "report.html").write_text(page(report), encoding="utf-8")


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


def print_report(report: Mapping[str, Any]) -> None:
    """Print the figures on standard error, for a person."""
    console = Console(stderr=True, highlight=False)
    found, memory = report["figures"], report["memory"]
    print_table((_headings(found), figure_rows(found)))
    for reason, *cells in suppressed_rows(found):
        console.print(f"nothing shown, {reason}: {' / '.join(cells)}", soft_wrap=True, markup=False)
    if memory["peak_bytes"] is not None:
        growth = "" if memory["growth"] is None else f", growth {memory['growth']:+.1%}"
        console.print(f"memory: peak {memory['peak_bytes'] / 2**20:,.0f} MiB{growth}")
    for note in report["notes"]:
        console.print(f"note: {note}", soft_wrap=True, markup=False)


def print_comparison(changes: Mapping[str, Any]) -> None:
    """Print what :func:`training.evaluation.typing.figures.compare` found on standard error."""
    print_table((_headings(changes["scopes"]), changed_rows(changes["scopes"])))


def page(report: Mapping[str, Any]) -> str:
    """Return the report as an HTML page."""
    found, rows = report["figures"], report["functions"]
    server, plan = report["server"], report["plan"]
    latency = {
        name: [value for row in rows for value in latencies(row, answered_by)]
        for name, answered_by in (
            ("all", None),
            ("with the engine", WITH_ENGINE),
            ("without it", WITHOUT_ENGINE),
        )
    }
    saved = {
        f"{name}{how}": found[scope][key]
        for scope, name in HEADINGS.items()
        for key, how in (("saved_share", ""), ("saved_by_word_share", ", by word too"))
    }
    memory = [(server, at, used / 2**20) for server, at, used in report["memory_series"]]
    notes = list(report["notes"])
    if report["interrupted"]:
        notes.append("interrupted; what follows is what was done until then")
    if report["failure"]:
        notes.append(f"ended early: {report['failure']}")
    how = {name: report[name] for name in ("options", "plan", "server", "machine", "memory")}
    return render_page(
        _TEMPLATE,
        lead=(
            f"{server['model'] or 'unknown model'} on {server['engine'] or 'unknown engine'}: "
            f"{len(rows)} of {plan['functions']} functions of {', '.join(plan['repositories'])}, "
            f"typed in {report['elapsed_s']:,.0f} s, seed {plan['seed']}."
        ),
        notes=notes,
        headings=["", *HEADINGS.values()],
        figures=figure_rows(found),
        latency=plots.distribution(latency, "ms"),
        answered=plots.shares(
            {name: found[scope]["answered_by"] for scope, name in HEADINGS.items()}
        ),
        saved=plots.bars(saved),
        suppressed=suppressed_rows(found),
        memory=plots.timeline(memory, "MiB resident", seconds="seconds"),
        examples=[
            {**one, "before": "\n".join(one["before"].split("\n")[-_EXAMPLE_LINES:])}
            for one in report["examples"]
        ],
        how=json.dumps(how, indent=1),
    )


def figure_rows(figures: Mapping[str, Figures]) -> list[tuple[str, ...]]:
    """Return rows: a name, and a cell for each scope. Intervals are 95 %, in brackets."""
    lines: list[tuple[str, Callable[[Figures], str]]] = [
        ("functions typed to their end", lambda one: f"{one['finished']} of {one['functions']}"),
        ("characters", lambda one: number(one["characters"])),
        ("keystrokes asked at", lambda one: number(one["looks"])),
        ("  superseded by the next key", lambda one: share(one["superseded_share"])),
        ("  failed, too late", lambda one: f"{one['failed']}, {one['late']}"),
        ("answered without the engine", lambda one: share(one["without_engine_share"])),
        ("latency, all: p50 / p90 / p95 / p99 ms", _latency(ALL)),
        ("latency, with the engine", _latency("with_engine")),
        ("  of answers with items", _latency("with_engine_items")),
        ("latency, without it", _latency("without_engine")),
        ("  of answers with items", _latency("without_engine_items")),
        ("prompts: tokens, computed (means)", _prompt_means),
        ("  reused", lambda one: share(one["prompts"]["reused_share"])),
        ("  prefix first computes (model)", _times_more),
        ("answers that showed something", lambda one: share(one["shown_share"])),
        ("suggestions shown", lambda one: number(one["suggestions"])),
        ("  characters right", lambda one: share(one["right_share"])),
        ("  characters right, wrong", _right_wrong),
        ("accepted whole, by line", lambda one: f"{one['accepted_whole']}, {one['accepted_line']}"),
        ("characters saved", lambda one: share(one["saved_share"])),
        ("  if taken by word too", lambda one: share(one["saved_by_word_share"])),
        ("engine seconds", lambda one: number(one["engine_ms"] / 1000 or None)),
        ("  ms per saved character", lambda one: interval(one["engine_ms_per_saved_character"])),
    ]
    return [(name, *(cell(figures[scope]) for scope in HEADINGS)) for name, cell in lines]


def suppressed_rows(figures: Mapping[str, Figures]) -> list[tuple[str, ...]]:
    """Return rows: a reason for which nothing was shown, and how often in each scope."""
    return [
        (reason, *(number(figures[scope]["suppressed"].get(reason, 0)) for scope in HEADINGS))
        for reason in figures[ALL]["suppressed"]
    ]


def changed_rows(scopes: Mapping[str, Figures]) -> list[tuple[str, ...]]:
    """Return rows of a comparison: a figure, and for each scope before, after and the change."""
    names = [name for name, one in scopes[ALL].items() if isinstance(one, dict)]
    rows: list[tuple[str, ...]] = []
    for name in names:
        ratio = "relative" in scopes[ALL][name]
        cell = _change if ratio else _latency_change
        label = name.replace("_", " ")
        rows.append((label, *(cell(scopes[scope][name]) for scope in HEADINGS)))
    return rows


def _headings(scopes: Mapping[str, Figures]) -> Sequence[str]:
    """A column for each scope, with the number of its functions."""
    return ["", *(f"{name} ({scopes[scope]['functions']})" for scope, name in HEADINGS.items())]


def _latency(of: str) -> Callable[[Figures], str]:
    def cell(one: Figures) -> str:
        found = one["latency_ms"][of]
        if not found["n"]:
            return "-"
        return " / ".join(short(found[name]["value"]) for name in ("p50", "p90", "p95", "p99"))

    return cell


def _prompt_means(one: Figures) -> str:
    found = one["prompts"]
    names = ("tokens_per_prompt", "computed_per_prompt")
    return ", ".join(short(found[name]["value"]) for name in names)


def _times_more(one: Figures) -> str:
    modelled = one["prompts"]["modelled"]
    if modelled["prefix_first_to_as_sent"]["value"] is None:
        return "-"
    more = interval(modelled["prefix_first_to_as_sent"])
    return f"{short(modelled['computed_per_prompt_prefix_first']['value'])}, {more} times"


def _right_wrong(one: Figures) -> str:
    return f"{number(one['right_characters'])}, {number(one['wrong_characters'])}"


def _change(one: Figures) -> str:
    before, after = (short(one[side]["value"]) for side in ("before", "after"))
    return f"{before} -> {after}, {share(one['relative'])}"


def _latency_change(one: Figures) -> str:
    before, after = (
        " / ".join(short(one[side][name]["value"]) for name in ("p50", "p95"))
        for side in ("before", "after")
    )
    return f"{before} -> {after} ms"


def _memory(run: Run) -> dict[str, float | None]:
    """Resident bytes of the server's processes. growth: of the server that lived longest, from the
    second quarter of its life to the last, by the medians of their samples.
    """
    if not run.memory:
        return {"peak_bytes": None, "end_bytes": None, "growth": None}
    servers = Counter(server for server, _, _ in run.memory)
    longest = servers.most_common(1)[0][0]
    samples = [(at, used) for server, at, used in run.memory if server == longest]
    begin_s, span_s = samples[0][0], samples[-1][0] - samples[0][0]

    def level(start: float, end: float) -> float | None:
        first_s, last_s = begin_s + start * span_s, begin_s + end * span_s
        used = [used for at, used in samples if first_s <= at <= last_s]
        return median(used) if used else None

    early, late = level(0.25, 0.5), level(0.75, 1.0)
    return {
        "peak_bytes": max(used for _, _, used in run.memory),
        "end_bytes": run.memory[-1][2],
        "growth": round(late / early - 1, 4) if early and late else None,
    }
