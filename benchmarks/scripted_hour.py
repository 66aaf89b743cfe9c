"""What ``fimls stats`` says after an hour of typing at human pace, with scripted suggestions.

It ends earlier where the packages have no more functions: two of them last 38 minutes.

    python benchmarks/scripted_hour.py                    # results/stats.json

Each line of the typed packages is a rule of the script: behind its beginning comes its end, in
three of ten the end of another line. The suggestions are invented, then; that they are shown,
taken, kept, counted and shown again is not. Needs hardly any processor time, and the hour.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from keystrokes import fetched, replay
from record import write_result

PACKAGES = ("sheetwise", "diwire")
_RIGHT = 0.7
_BEGINNING = re.compile(r"\s*\S.*?(?:[=(.:]|\breturn|\bif|\bin)\s*")
_END_MIN = 6
_DELAY_MS = 2.0  # a character


def rules(folders: list[str], seed: int) -> list[dict[str, Any]]:
    """A rule for each line that has a beginning and an end."""
    chosen = random.Random(seed)  # noqa: S311 - which suggestions are wrong
    lines = {
        (match[0], line[match.end() :])
        for folder in folders
        for file in sorted(Path(folder).rglob("*.py"))
        for line in file.read_text("utf-8").splitlines()
        if (match := _BEGINNING.match(line)) and len(line) - match.end() >= _END_MIN
    }
    ends = sorted(end for _, end in lines)
    return [
        {
            "after": f"\n{beginning}",
            "insert": end if chosen.random() < _RIGHT else chosen.choice(ends),
            "delay_ms": _DELAY_MS,
        }
        for beginning, end in sorted(lines)
    ]


def main() -> None:
    """Type, and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", default="60")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--page", type=Path, help="also write the page with plots")
    given = parser.parse_args()
    folders = fetched(PACKAGES)
    with tempfile.TemporaryDirectory() as temporary:
        state, script = Path(temporary) / "state", Path(temporary) / "script.json"
        script.write_text(json.dumps(rules(folders, given.seed)), "utf-8")
        typed = replay(
            folders,
            Path(temporary) / "report",
            *("--minutes", given.minutes, "--seed", str(given.seed), "--feedback", str(state)),
            *("--engine", "scripted", "--set", f"scripted_file={script}"),
        )
        environment = {**os.environ, "XDG_STATE_HOME": str(state)}
        command = [sys.executable, "-m", "fimls", "stats"]
        stats = subprocess.run(
            [*command, "--json"], check=True, stdout=subprocess.PIPE, env=environment
        )
        page = ["-o", str(given.page)] if given.page else []
        subprocess.run([*command, *page], check=True, env=environment)
    result = {"stats": json.loads(stats.stdout), "memory": typed["memory"]}
    write_result("stats", result, seed=given.seed)


if __name__ == "__main__":
    main()
