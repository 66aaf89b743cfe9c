"""How fast a corpus of many packages becomes a dataset, with one process and with two.

    python benchmarks/prepare_speed.py LIST.json                 # results/prepare.json

LIST.json names packages, as ``fimls prepare`` takes it. Fetching them isn't measured; memory is of
all processes, each half second. Wants a machine with nothing else to do.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import platformdirs
from record import write_result

from fimls.report.machine import resident_bytes
from training.corpus import open_sources

_WATCH_S = 0.5


def prepare(sources: str, output: Path, *options: str) -> tuple[float, int]:
    """Prepare a dataset; seconds, and the most memory in bytes."""
    command = [sys.executable, "-m", "fimls", "prepare", sources, "-o", str(output), *options]
    began, most = time.monotonic(), 0
    with (output.parent / f"{output.name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        while process.poll() is None:
            most = max(most, resident_bytes(process.pid) or 0)
            time.sleep(_WATCH_S)
    if process.returncode:
        raise SystemExit(f"prepare ended with {process.returncode}; see {log.name}")
    return time.monotonic() - began, most


def counted(output: Path) -> dict[str, Any]:
    """How much code was read and what came of it."""
    report = json.loads((output / "report.json").read_text("utf-8"))
    info = json.loads((output / "dataset.json").read_text("utf-8"))
    dropped = report["dropped"]
    # What has no grammar is left out by its name, unread.
    unread = dropped.get("no grammar", {"bytes": 0})["bytes"]
    read = report["kept"]["bytes"] + sum(one["bytes"] for one in dropped.values()) - unread
    return {
        "read_bytes": read,
        "kept": report["kept"],
        "dropped": dropped,
        "counts": info["counts"],
        "corpus_sha256": info["corpus_sha256"],
    }


def main() -> None:
    """Prepare with one process and with two, and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("packages", help="a JSON list of packages")
    parser.add_argument("--jobs", type=int, nargs="+", default=[2, 1])
    given = parser.parse_args()
    for _ in open_sources(
        (given.packages,), work_dir=platformdirs.user_cache_path("fimls") / "corpus", history=False
    ):
        pass  # fetched and unpacked
    result: dict[str, Any] = {"runs": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for jobs in given.jobs:
            output = folder / f"jobs-{jobs}"
            seconds, most = prepare(given.packages, output, "--jobs", str(jobs))
            result |= counted(output)
            speed = result["read_bytes"] / 1e6 / seconds
            result["runs"].append(
                {
                    "jobs": jobs,
                    "seconds": round(seconds, 1),
                    "mb_per_s": round(speed, 3),
                    "mb_per_s_and_core": round(speed / jobs, 3),
                    "resident_mb_max": round(most / 1e6),
                }
            )
            print(result["runs"][-1], flush=True)
    write_result("prepare", result, seed=0)


if __name__ == "__main__":
    main()
