from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_generated_tables_are_up_to_date() -> None:
    """The README's settings and figures are those of the code and of benchmarks/results."""
    command = [sys.executable, "scripts/readme.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stderr)


def test_names_the_two_commands() -> None:
    """A newcomer finds `make try` and `make test` as lines to copy; CI runs the latter."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert {"make try", "make test"} <= set(lines)
