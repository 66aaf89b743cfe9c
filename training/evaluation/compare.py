"""Two reports of the same suites: what the second changed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.evaluation.journal import NAME as JOURNAL
from training.evaluation.journal import Row, read_journal
from training.evaluation.paired import compare
from training.evaluation.report import read_report, run_folder
from training.types import EvaluationError


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
