"""How soon the editors show what the server answers, what the plugins cost, and whether tests hold.

    make test-editors                        # installs the editors
    python benchmarks/editors.py --runs 10   # results/editors.json

Runs all editor tests, again and again. Wants a machine with nothing else to do. A run that fails is
recorded with the names of the tests that did, and the next begins.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from record import write_result
from rich.progress import track

ROOT = Path(__file__).resolve().parent.parent


def run(numbers: Path) -> dict[str, Any]:
    """Run the tests once: how many passed, which didn't, and how long that took."""
    report = numbers.with_suffix(".xml")
    environment = {
        **os.environ,
        "FIMLS_REQUIRE_EDITORS": "1",
        "FIMLS_EDITOR_NUMBERS": str(numbers),
    }
    command = [sys.executable, "-m", "pytest", "-q", "tests/editors", f"--junitxml={report}"]
    subprocess.run(command, cwd=ROOT, env=environment, check=False, stdout=subprocess.DEVNULL)
    (suite,) = ET.parse(report).getroot()  # noqa: S314 - pytest's own
    cases = suite.findall("testcase")
    failed = [
        case.attrib["name"]
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    ]
    skipped = int(suite.attrib["skipped"])
    return {
        "passed": len(cases) - len(failed) - skipped,
        "failed": failed,
        "skipped": skipped,
        "seconds": float(suite.attrib["time"]),
    }


def summary(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each measure's median over the runs, with each run's own."""
    medians = defaultdict(list)
    for line in lines:
        medians[line["name"], line["editor"], line["target"]].append(line["median"])
    return [
        {
            "name": name,
            "editor": editor,
            "median": round(statistics.median(values), 3),
            "target": target,
            "values": values,
        }
        for (name, editor, target), values in medians.items()
    ]


def main() -> None:
    """Run and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        numbers = Path(name) / "numbers.jsonl"
        runs = [run(numbers) for _ in track(range(options.runs), "running the editors' tests")]
        lines = [json.loads(line) for line in numbers.read_text("utf-8").splitlines()]
    write_result("editors", {"runs": runs, "measured": summary(lines)}, seed=0)


if __name__ == "__main__":
    main()
