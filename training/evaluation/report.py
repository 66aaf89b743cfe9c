"""The report of an evaluation as plain JSON: all its runs, and what an adapter changed.

Whatever depends on the clock is under ``times`` and ``machine``: the rest is the same whenever the
same command is run again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fimls import __version__
from fimls.files import write_atomically
from fimls.report.machine import machine_facts
from training.evaluation.comparison import Decision, compare
from training.evaluation.figures import calibration, figures, is_right, latencies
from training.evaluation.journal import FORMAT_VERSION, Row, read_journal
from training.evaluation.journal import NAME as JOURNAL
from training.evaluation.run import Elapsed, Plan
from training.types import EvaluationError

NAME = "report.json"

_EXAMPLES = 24
_CONTEXT_LINES = 6
_CONTEXT_CHARACTERS = 600
_SKIPPED_NAMED = 50


@dataclass(frozen=True, slots=True)
class Done:
    """One run: a suite's items, asked of one model."""

    plan: Plan
    label: str
    """"base", or the adapter's name."""
    rows: Sequence[Row]
    elapsed: Elapsed
    general: bool = False
    """Whether the suite is there to show what is forgotten."""


def make_report(
    runs: Sequence[Done],
    *,
    about: Mapping[str, Any],
    seed: int,
    memory: Mapping[str, Any],
    decision: Decision | None,
) -> dict[str, Any]:
    """Return the report.

    runs: for each suite the baseline's first, if there is one. about: how they were run. memory:
    the memorisation audits by model, {} without one.
    """
    return {
        "name": "evaluation",
        "format_version": FORMAT_VERSION,
        "fimls": __version__,
        "seed": seed,
        "about": dict(about),
        "runs": [_run(one, seed) for one in runs],
        "comparisons": comparisons(runs, seed),
        "memory": dict(memory),
        "gate": None if decision is None else asdict(decision),
        "machine": machine_facts(),
    }


def comparisons(runs: Iterable[Done], seed: int) -> list[dict[str, Any]]:
    """Return for each suite what its last run changed against its first."""
    by_suite: dict[str, list[Done]] = {}
    for one in runs:
        by_suite.setdefault(one.plan.suite.name, []).append(one)
    return [
        {
            "suite": name,
            "before": group[0].label,
            "after": group[-1].label,
            "changes": compare(group[0].rows, group[-1].rows, seed),
        }
        for name, group in by_suite.items()
        if len(group) > 1
    ]


def write_report(report: Mapping[str, Any], folder: Path, *, page: str, markdown: str) -> None:
    """Write report.json, report.html and report.md. They quote the code that was completed.

    Raises:
        EvaluationError: the folder can't be written.
    """
    texts = {
        NAME: json.dumps(report, ensure_ascii=False, indent=1) + "\n",
        "report.html": page,
        "report.md": markdown,
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            write_atomically(folder / name, text.encode(errors="backslashreplace"))
    except OSError as error:
        raise EvaluationError(f"can't write the report to {folder}: {error.strerror}") from error


def read_report(folder: Path) -> dict[str, Any]:
    """Read a report's JSON.

    Raises:
        EvaluationError: there is none, or one of another version.
    """
    path = folder / NAME if folder.is_dir() else folder
    hint = "give a folder that `fimls eval -o` wrote"
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EvaluationError(f"can't read the report {path}: {error}", hint=hint) from error
    if not isinstance(report, dict) or report.get("name") != "evaluation":
        raise EvaluationError(f"{path} is no report of an evaluation", hint=hint)
    if report.get("format_version") != FORMAT_VERSION:
        raise EvaluationError(
            f"{path} has format version {report.get('format_version')}; this fimls reads "
            f"{FORMAT_VERSION}",
            hint="evaluate again with this version",
        )
    return report


def run_folder(output: Path, suite: str, label: str) -> Path:
    """Return the folder of a run's rows in a report's folder."""
    return output / "runs" / f"{suite}--{label}"


def summary(report: Mapping[str, Any]) -> str:
    """Return the report without its details: one line of JSON."""
    runs = [
        {name: run[name] for name in ("suite", "label", "items")}
        | {"figures": run["figures"]["all"]["all"]}
        for run in report["runs"]
    ]
    return json.dumps({"name": report["name"], "runs": runs, "gate": report["gate"]})


def _run(done: Done, seed: int) -> dict[str, Any]:
    plan, rows, elapsed = done.plan, done.rows, done.elapsed
    return {
        "suite": plan.suite.name,
        "version": plan.suite.version,
        "fingerprint": plan.fingerprint,
        "label": done.label,
        "general": done.general,
        "items": len(rows),
        "skipped": plan.reasons,
        "skipped_records": [asdict(one) for one in plan.skipped[:_SKIPPED_NAMED]],
        "figures": figures(rows, seed),
        "calibration": calibration(rows),
        "examples": _examples(plan, rows),
        "times": {
            "latency_ms": latencies(rows, seed),
            "all_ms": sorted(row["times"]["total_ms"] for row in rows),
            "items": elapsed.items,
            "generating_s": round(elapsed.generating_s, 1),
            "rest_s": round(elapsed.rest_s, 1),
            "scoring_s": round(elapsed.scoring_s, 1),
            "items_per_minute": round(60 * elapsed.items / elapsed.generating_s, 1)
            if elapsed.items
            else None,
        },
    }


def _examples(plan: Plan, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the worst answers first: wrong, with the least in common with the reference."""
    items = {item.id: item for item in plan.items}
    wrong = [row for row in rows if not is_right(row)]
    wrong.sort(key=lambda row: (row["similarity"], row["id"]))
    return [
        {
            "id": row["id"],
            "kind": row["kind"],
            "similarity": row["similarity"],
            "detail": row["detail"] or row["suppressed"] or "",
            "before": _last_lines(items[row["id"]].prefix),
            "shown": row["texts"][0] if row["texts"] else "",
            "wanted": items[row["id"]].reference,
            "after": _first_lines(items[row["id"]].suffix),
        }
        for row in wrong[:_EXAMPLES]
    ]


def _last_lines(text: str) -> str:
    return "\n".join(text.split("\n")[-_CONTEXT_LINES:])[-_CONTEXT_CHARACTERS:]


def _first_lines(text: str) -> str:
    return "\n".join(text.split("\n")[:_CONTEXT_LINES])[:_CONTEXT_CHARACTERS]


def compare_reports(before: Path, after: Path, *, seed: int) -> list[dict[str, Any]]:
    """Return a comparison for each suite that both have; in each the last run, the adapter's.

    Raises:
        EvaluationError: they have no suite in common, or one of another version.
    """
    sides = [(folder, _last_runs(read_report(folder))) for folder in (before, after)]
    (_, first), (_, second) = sides
    common = [name for name in first if name in second]
    if not common:
        raise EvaluationError(
            f"the reports have no suite in common: {', '.join(first)}; {', '.join(second)}",
            hint="run both on the same suites",
        )
    found = []
    for name in common:
        versions = [runs[name]["version"] for _, runs in sides]
        if versions[0] != versions[1]:
            raise EvaluationError(
                f"the reports have {name} in two versions: {versions[0]} and {versions[1]}",
                hint="the files of the suite have changed: evaluate both again",
            )
        rows = [rows_of(folder, runs[name]) for folder, runs in sides]
        found.append(
            {
                "suite": name,
                "before": f"{first[name]['label']} ({before.name})",
                "after": f"{second[name]['label']} ({after.name})",
                "changes": compare(rows[0], rows[1], seed),
            }
        )
    return found


def _last_runs(report: Mapping[str, Any]) -> dict[str, Any]:
    return {run["suite"]: run for run in report["runs"]}


def rows_of(folder: Path, run: Mapping[str, Any]) -> list[Row]:
    """The rows of one of a report's runs."""
    return list(read_journal(run_folder(folder, run["suite"], run["label"]) / JOURNAL)[1])
