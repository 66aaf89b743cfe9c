"""The published replays: latency at human pace, and what context and the adapter are worth.

    python benchmarks/keystrokes.py human --seed 1        # results/keystrokes-human-1.json
    python benchmarks/keystrokes.py context --seed 1      # results/keystrokes-context-1.json
    python benchmarks/keystrokes.py sources --seed 1      # results/keystrokes-sources-1.json
    python benchmarks/keystrokes.py adapter --seed 1      # results/keystrokes-adapter-1.json

All type held-out packages (``heldout.py`` fetches them) that the gate was not fitted on. ``human``
wants a machine with nothing else to do. ``context`` compares snippets of other files with none,
``sources`` all sources of snippets with all but one, ``adapter`` the one that comes with fimls with
the model alone, which the others type with. Those three wait for each answer, so that only what is
shown differs, not how fast, and their answers have no deadline.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from record import write_result

HERE = Path(__file__).parent
PACKAGES = ("zapros", "sheetwise", "pytest-impacted", "openai-agents")
"""Not those that ``results/gate.json`` was fitted on (pydocket, diwire, verifiers, sqlit-tui)."""
REPLAYED_SOURCES = ("imports", "names", "same-file", "siblings", "lexical", "recent")
"""A replay's workspace has no uncommitted changes."""
ALONE = ("--set", "adapter=none")
SWITCHED_OFF = {"context": ("--set", "context=false"), "adapter": ALONE}
"""What is compared with the same replay without it."""
PATIENT = ("--set", "answer_ms=0", "--set", "deadline_ms=0")


def fetched(packages: Sequence[str]) -> list[str]:
    """The folders of the packages."""
    command = [sys.executable, str(HERE / "heldout.py"), *packages]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.split()


def replay(folders: Sequence[str], output: Path, *options: str) -> dict[str, Any]:
    """Run ``fimls bench keystrokes`` and return its report, but for its plots' series."""
    command = [sys.executable, "-m", "fimls", "bench", "keystrokes", *folders]
    subprocess.run([*command, "-o", str(output), *options], check=True, stdout=subprocess.DEVNULL)
    report: dict[str, Any] = json.loads((output / "report.json").read_text(encoding="utf-8"))
    return {
        name: report[name]
        for name in ("options", "plan", "server", "interrupted", "failure", "memory", "figures")
    }


def compared(before: Path, after: Path) -> dict[str, Any]:
    """What ``--compare`` says of two reports."""
    command = [sys.executable, "-m", "fimls", "bench", "keystrokes", "--compare"]
    paths = [str(folder / "report.json") for folder in (before, after)]
    done = subprocess.run([*command, *paths], check=True, stdout=subprocess.PIPE, text=True)
    difference: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return difference


def main() -> None:
    """Replay and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("human", *SWITCHED_OFF, "sources"))
    parser.add_argument("--functions", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--looks", choices=("key", "word", "line"), default="key")
    parser.add_argument("--packages", nargs="+", default=PACKAGES)
    options = parser.parse_args()
    folders = fetched(options.packages)
    plan = ["--functions", str(options.functions), "--seed", str(options.seed)]
    plan += ["--looks", options.looks]
    if options.what != "adapter":
        plan += ALONE
    if options.what != "human":
        plan += ["--pace", "wait", *PATIENT]
    with tempfile.TemporaryDirectory() as folder:
        on, off = Path(folder) / "on", Path(folder) / "off"
        if options.what == "human":
            result = replay(folders, on, *plan)
        elif options.what in SWITCHED_OFF:
            result = {
                "on": replay(folders, on, *plan),
                "off": replay(folders, off, *plan, *SWITCHED_OFF[options.what]),
                "difference": compared(off, on),
            }
        else:
            result = {"all": replay(folders, on, *plan), "worth": {}}
            for source in REPLAYED_SOURCES:
                without = Path(folder) / source
                replay(folders, without, *plan, "--set", f'context_off=["{source}"]')
                result["worth"][source] = compared(without, on)
    write_result(f"keystrokes-{options.what}-{options.seed}", result, seed=options.seed)


if __name__ == "__main__":
    main()
