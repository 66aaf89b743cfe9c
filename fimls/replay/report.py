"""The report of a run: report.json, and its summary in one line."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from fimls import __version__
from fimls.replay.figures import figures
from fimls.replay.machine import machine_facts
from fimls.replay.plan import KINDS, Plan
from fimls.replay.replay import Run

_EXAMPLES = 12
_DETAILS = ("functions", "memory_series", "examples")


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


def write_report(report: Mapping[str, Any], folder: Path, page: str) -> None:
    """Write report.json and report.html. Both quote the code that was typed."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report, ensure_ascii=False, indent=1)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    (folder / "report.html").write_text(page, encoding="utf-8")


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
