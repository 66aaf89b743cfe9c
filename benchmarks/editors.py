"""How soon the editors show what the server answers, what the plugins cost, and whether tests hold.

    make test-editors                        # installs the editors
    python benchmarks/editors.py --runs 10   # results/editors.json

Runs all editor tests, again and again. Wants a machine with nothing else to do. A run that fails is
recorded with the tests that did and their messages, and the next begins; what is there is written
after each.
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

_MESSAGE_CHARACTERS = 500
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
    failed = {
        case.attrib["name"]: found.attrib.get("message", "")[:_MESSAGE_CHARACTERS]
        for case in cases
        for found in case
        if found.tag in {"failure", "error"}
    }
    skipped = int(suite.attrib["skipped"])
    return {
        "passed": len(cases) - len(failed) - skipped,
        "failed": failed,
        "skipped": skipped,
        "seconds": float(suite.attrib["time"]),
    }


def versions() -> dict[str, str]:
    """Of the editors that are installed."""
    home = Path(os.environ.get("FIMLS_EDITORS", "~/.cache/fimls-editors")).expanduser()
    product = home / "code-server/node_modules/code-server/lib/vscode/product.json"
    found = {"code-server": str(json.loads(product.read_text("utf-8"))["version"])}
    programs = {folder.name: folder / "usr/bin/nvim" for folder in sorted(home.glob("nvim-*"))}
    for name, program in {**programs, "emacs": "emacs"}.items():
        command = [str(program), "--version"]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found[name] = done.stdout.splitlines()[0]
    return found


def summary(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each measure's median over the runs and whether that reaches its target, each run's own, and
    what the host took meanwhile.
    """
    runs = defaultdict(list)
    for line in lines:
        runs[line["name"], line["editor"], line["target"]].append(line)
    return [
        {
            "name": name,
            "editor": editor,
            "median": (median := round(statistics.median(line["median"] for line in each), 3)),
            "target": target,
            "reached": median <= target,
            "values": [line["median"] for line in each],
            "stolen": [line["stolen"] for line in each],
        }
        for (name, editor, target), each in runs.items()
    ]


def main() -> None:
    """Run and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1)
    options = parser.parse_args()
    editors = versions()
    with tempfile.TemporaryDirectory() as name:
        numbers = Path(name) / "numbers.jsonl"
        runs = []
        for _ in track(range(options.runs), "running the editors' tests"):
            runs.append(run(numbers))
            lines = [json.loads(line) for line in numbers.read_text("utf-8").splitlines()]
            result = {"editors": editors, "runs": runs, "measured": summary(lines)}
            write_result("editors", result, seed=0)


if __name__ == "__main__":
    main()
