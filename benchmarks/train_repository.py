"""Does training on a repository help it? The whole way, as a person would go it.

    python benchmarks/train_repository.py diwire                 # results/train-diwire.json

prepare, train, then held-out spans of that repository with the adapter and without, and
HumanEval-infilling's single lines by the model alone, one of each problem. Every step is a command
of fimls; a step whose output is there already is not repeated. Wants a machine with nothing else to
do: tokens a second are a result.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keystrokes import fetched
from record import evaluation, write_result

HELD_OUT_ITEMS = 120


def fimls(*arguments: str | Path, log: Path) -> float:
    """Run a command of fimls, its output into ``log``; return the seconds it took."""
    began = time.monotonic()
    with log.open("wb") as out:
        subprocess.run(
            [sys.executable, "-m", "fimls", *map(str, arguments)],
            check=True,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    return time.monotonic() - began


def main() -> None:
    """Run what isn't there yet, and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("package", help="one of benchmarks/data/heldout.json")
    parser.add_argument("--work", type=Path, default=Path("build/train"), help="where to work")
    parser.add_argument("--model", default="0.5b")
    parser.add_argument("--recipe", default="cpu-small")
    parser.add_argument("--minutes", default="33")
    parser.add_argument("--spans-per-kb", default="4")
    parser.add_argument("--items", default=str(HELD_OUT_ITEMS), help="held-out spans asked for")
    parser.add_argument("--name", help="of the result's file")
    given = parser.parse_args()

    work: Path = given.work
    work.mkdir(parents=True, exist_ok=True)
    dataset, adapter = work / given.package, work / "adapter"
    seconds = {}
    if not (dataset / "dataset.json").exists():
        source = fetched([given.package])[0]
        density = ("--spans-per-kb", given.spans_per_kb)
        seconds["prepare"] = fimls(
            "prepare", source, "-o", dataset, *density, log=work / "prepare.log"
        )
    if not (adapter / "training.json").exists():
        length = ("--recipe", given.recipe, "--minutes", given.minutes, "--model", given.model)
        seconds["train"] = fimls(
            "train", dataset, "-o", adapter, *length, "--device", "cpu", log=work / "train.log"
        )
    tuned = ("--adapter", adapter, "--model", given.model)
    shown, raw, general = (work / name for name in ("eval", "eval-raw", "eval-humaneval"))
    some = ("--limit", given.items)
    for folder, suite, options in (
        (shown, dataset, (*tuned, "--baseline", "none", *some)),
        (raw, dataset, (*tuned, *some, "--raw")),
        (general, "humaneval-single", (*tuned, "--one-per-problem", "--raw")),
    ):
        if not (folder / "report.json").exists():
            seconds[folder.name] = fimls(
                "eval", suite, *options, "-o", folder, log=work / f"{folder.name}.log"
            )

    result = {
        "package": given.package,
        "seconds": {name: round(value) for name, value in seconds.items()},
        "prepare": kept(dataset),
        "training": provenance(adapter),
        "curve": curve(adapter),
        "held_out": evaluation(shown),
        "held_out_raw": evaluation(raw),
        "humaneval_single_raw": evaluation(general),
    }
    write_result(given.name or f"train-{given.package}", result, seed=0)


def provenance(adapter: Path) -> Mapping[str, Any]:
    """What training says of itself."""
    training: dict[str, Any] = json.loads((adapter / "training.json").read_text("utf-8"))
    names = [Path(source).name for source in training["corpus"]["settings"]["sources"]]
    training["corpus"]["settings"]["sources"] = names
    return training


def kept(dataset: Path) -> Mapping[str, Any]:
    """What a dataset holds."""
    info = json.loads((dataset / "dataset.json").read_text("utf-8"))
    return {"counts": info["counts"], "corpus_sha256": info["corpus_sha256"]}


def curve(adapter: Path) -> list[Mapping[str, Any]]:
    """The run's losses."""
    lines = (adapter / "metrics.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


if __name__ == "__main__":
    main()
