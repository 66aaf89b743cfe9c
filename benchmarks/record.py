"""How every result is recorded: with its command, its seed, the machine and the date."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fimls.report import machine
from training.evaluation.comparison import compare
from training.evaluation.journal import Row
from training.evaluation.report import read_report, rows_of

RESULTS = Path(__file__).parent / "results"


def write_result(name: str, result: dict[str, Any], *, seed: int) -> Path:
    """Write ``results/NAME.json`` and print the summary as the last line of standard output."""
    command = " ".join(["python", *(_shown(word) for word in sys.argv)])
    record = {
        "name": name,
        "command": command,
        "seed": seed,
        "date": dt.datetime.now(dt.timezone.utc).date().isoformat(),
        "commit": _commit(),
        "machine": machine_facts(),
        **result,
    }
    path = RESULTS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps({key: value for key, value in record.items() if key != "tasks"}))
    return path


def machine_facts() -> dict[str, object]:
    """What a reader needs to compare speeds."""
    return {**machine.machine_facts(), "openvino-genai": version("openvino-genai")}


def evaluation(folder: Path) -> dict[str, Any]:
    """What a report of ``fimls eval`` says, without its examples and each item's time."""
    report = read_report(folder)
    runs = [
        {"label": run["label"], "items": run["items"], "skipped": run["skipped"]}
        | {"figures": run["figures"], "times": _short(run["times"])}
        for run in report["runs"]
    ]
    return {"suites": sorted({run["suite"] for run in report["runs"]}), "runs": runs} | {
        "comparisons": report["comparisons"]
    }


def together(*folders: Path) -> dict[str, Any]:
    """What an adapter changed in all suites of reports at once; see ``paired.compare``.

    A package's few dozen items can't tell a few points; those of all can.
    """
    before: list[Row] = []
    after: list[Row] = []
    for folder in folders:
        for run in read_report(folder)["runs"]:
            side = before if run["label"] == "base" else after
            side += rows_of(folder, run)
    return compare(before, after, 0)


def _short(times: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in times.items() if name != "all_ms"}


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"


def _shown(word: str) -> str:
    """Paths inside the repository are shown from its root."""
    root = Path(__file__).resolve().parent.parent
    path = Path(word)
    inside = path.is_absolute() and path.is_relative_to(root)
    return str(path.relative_to(root)) if inside else word
