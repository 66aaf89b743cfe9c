"""An adapter to come with fimls: its code fetched, prepared and learnt, judged and made small.

    python benchmarks/default_adapter.py                          # on two cores, some hours
    python benchmarks/default_adapter.py --recipe default-gpu     # on a GPU
    python benchmarks/default_adapter.py --tokens 2000 --small    # every step, little of it

``data/default_adapter.json`` lists the code: wheels of the package index, npm packages, and source
packages and crates as Debian has them (apt-get and dpkg-deb fetch them; sources need a deb-src
line). All of it is permissively licensed; what says no licence is left out. A step whose output is
there already is not repeated. The result is ``WORK/shipped``; its scores go to
``results/default-adapter.json``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from keystrokes import fetched
from record import evaluation, together, write_result
from train_repository import curve, fimls, kept, provenance

from fimls.store.adapter import CONFIG, MANIFEST, WEIGHTS
from training.corpus.archives import unpack
from training.evaluation.comparison import decide
from training.evaluation.figures import ALL
from training.tuning.job import PROVENANCE

SOURCES = Path(__file__).parent / "data" / "default_adapter.json"
EXAMPLES = 6_000
RECIPES = ("default-cpu", "default-cpu-long")
# Compiled twins of a package's sources would be learnt twice.
BUILT = ("**/dist/**", "**/build/**", "**/es6/**")
SUITES: Mapping[str, Sequence[str]] = {
    "single-raw": ("humaneval-single", "--raw"),
    "single": ("humaneval-single", "--baseline", "none"),
    "multi": ("humaneval-multi", "--one-per-problem", "--baseline", "none"),
    "random-span": ("humaneval-random-span-light", "--baseline", "none"),
}
LONG_ENOUGH = ("--set", "max_tokens_single=256")
"""For the model alone: after typing's 48 tokens it isn't yet clear whether it stops by itself."""
HELD_OUT = "held-out"
"""Spans of packages that weren't learnt from: ten of Python, one of each other language."""
HELD_OUT_ITEMS, HELD_OUT_SEED = 50, 7


def fetch(packages: Mapping[str, Any], folder: Path) -> list[Path]:
    """The packages that aren't wheels, each in a folder of its own below ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        *(_npm(name, folder) for name in packages["npm"]),
        *(_debian_source(name, folder) for name in packages["debian_sources"]),
        *(_debian_crate(name, folder) for name in packages["debian_crates"]),
    ]


def _npm(name: str, folder: Path) -> Path:
    target = folder / name.replace("@", "-").replace("/", "-").strip("-")
    return _archive(target, "*.tgz", "npm", "pack", "--silent", name)


def _debian_source(name: str, folder: Path) -> Path:
    """As upstream wrote it: the patches and the packaging are no part of it."""
    command = ("apt-get", "source", "--download-only", "--tar-only", "-qq", name)
    return _archive(folder / name, "*.orig.tar.*[!c]", *command)


def _archive(target: Path, pattern: str, *command: str) -> Path:
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            _run(*command, cwd=scratch)
            unpack(_only(Path(scratch).glob(pattern)), target)
    return target


def _debian_crate(name: str, folder: Path) -> Path:
    target = folder / name
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            _run("apt-get", "download", "-qq", name, cwd=scratch)
            package, unpacked = _only(Path(scratch).glob("*.deb")), Path(scratch, "unpacked")
            _run("dpkg-deb", "-x", str(package), str(unpacked), cwd=scratch)
            shutil.move(_only((unpacked / "usr/share/cargo/registry").iterdir()), target)
    return target


def _run(*command: str, cwd: str) -> None:
    subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.DEVNULL)


def _only(paths: Iterable[Path]) -> Path:
    (path,) = paths
    return path


def make_small(adapter: Path, out: Path) -> None:
    """Copy what serving reads and where it comes from, the weights in half precision: 18 MB at
    rank 16.
    """
    out.mkdir(parents=True, exist_ok=True)
    weights = safetensors.numpy.load_file(adapter / WEIGHTS)
    half = {name: tensor.astype(np.float16) for name, tensor in weights.items()}
    # Not save_file: what it writes, only its owner may read.
    (out / WEIGHTS).write_bytes(safetensors.numpy.save(half, metadata={"format": "pt"}))
    for name in (CONFIG, MANIFEST, PROVENANCE):
        shutil.copyfile(adapter / name, out / name)


def prepare(packages: Mapping[str, Any], examples: str, work: Path) -> dict[str, float]:
    """Make ``WORK/dataset`` of the packages; return the seconds that it took, as all steps do."""
    dataset = work / "dataset"
    if (dataset / "dataset.json").exists():
        return {}
    wheels = work / "wheels.json"
    wheels.write_text(json.dumps(packages["pypi"]), "utf-8")
    sources = [str(path) for path in fetch(packages, work / "sources")]
    arguments = ["prepare", str(wheels), *sources, "-o", str(dataset), "--public"]
    arguments += ["--split", "repository", "--holdout", "0", "--validation", "0.04"]
    arguments += ["--examples", examples]
    arguments += [word for glob in BUILT for word in ("--exclude", glob)]
    return {"prepare": fimls(*arguments, log=work / "prepare.log")}


def tune(
    recipes: Sequence[str], adapters: Sequence[Path], tokens: str | None, work: Path
) -> dict[str, float]:
    """Train an adapter with each recipe, from the one before."""
    seconds = {}
    start = "none"
    for seed, (recipe, adapter) in enumerate(zip(recipes, adapters, strict=True)):
        if not (adapter / PROVENANCE).exists():
            arguments = ["train", str(work / "dataset"), "-o", str(adapter), "--start", start]
            arguments += ["--recipe", recipe, "--seed", str(seed)]
            arguments += ["--tokens", tokens] if tokens else []
            seconds[adapter.name] = fimls(*arguments, log=work / f"{adapter.name}.log")
        start = str(adapter)
    return seconds


def judge(suites: Mapping[str, Sequence[str]], adapter: Path, work: Path) -> dict[str, float]:
    """Evaluate an adapter; the reports are ``WORK/NAME``."""
    seconds = {}
    for name, suite in suites.items():
        if not (work / name / "report.json").exists():
            arguments = [*suite, "--adapter", str(adapter), "-o", str(work / name)]
            settings = LONG_ENOUGH if "--raw" in suite else ()
            seconds[name] = fimls(*settings, "eval", *arguments, log=work / f"{name}.log")
    return seconds


def held_out_suite(packages: Mapping[str, Any], work: Path) -> list[str]:
    """The same spans of each package each time."""
    folders = [*fetch(packages["held_out"], work / "held-out"), *fetched([])]
    sample = ["--limit", str(HELD_OUT_ITEMS), "--seed", str(HELD_OUT_SEED)]
    return [*(f"spans:{folder}" for folder in folders), *sample, "--baseline", "none"]


def publish(
    adapters: Sequence[Path], suites: Iterable[str], seconds: Mapping[str, float], work: Path
) -> None:
    """Write ``results/default-adapter.json``; the gate is that of ``fimls eval``."""
    found = {name: evaluation(work / name) for name in suites}
    held_out = together(work / HELD_OUT)
    packages = {
        one["suite"]: one["changes"][ALL][ALL] for one in found.pop(HELD_OUT)["comparisons"]
    }
    (single,) = found["single"]["comparisons"]
    result = {
        "seconds": {name: round(value) for name, value in seconds.items()},
        "prepare": kept(work / "dataset"),
        "training": [provenance(adapter) for adapter in adapters],
        "curve": [curve(adapter) for adapter in adapters],
        **found,
        "held_out": packages,
        "held_out_together": held_out,
        "gate": asdict(decide({HELD_OUT: held_out}, {single["suite"]: single["changes"]})),
    }
    write_result("default-adapter", result, seed=0)


def main() -> None:
    """Do what isn't done yet, and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("build/default-adapter"))
    parser.add_argument(
        "--recipe", nargs="+", default=RECIPES, help="of each run; each begins from the one before"
    )
    parser.add_argument("--tokens", help="of each run [the recipe's]")
    parser.add_argument("--examples", default=str(EXAMPLES))
    parser.add_argument("--small", action="store_true", help="two packages, few items")
    given = parser.parse_args()

    work: Path = given.work
    work.mkdir(parents=True, exist_ok=True)
    packages: dict[str, Any] = json.loads(SOURCES.read_text("utf-8"))
    suites = {name: list(suite) for name, suite in SUITES.items()}
    if given.small:
        packages = {**packages, "pypi": packages["pypi"][1:2], "npm": packages["npm"][:1]}
        packages |= {"debian_sources": [], "debian_crates": []}
        suites = {name: [*suite, "--limit", "2"] for name, suite in suites.items()}
    else:
        suites[HELD_OUT] = held_out_suite(packages, work)
    adapters = [work / f"adapter-{Path(recipe).stem}" for recipe in given.recipe]
    seconds = prepare(packages, given.examples, work)
    seconds |= tune(given.recipe, adapters, given.tokens, work)
    make_small(adapters[-1], work / "shipped")
    seconds |= judge(suites, work / "shipped", work)
    if not given.small:
        publish(adapters, suites, seconds, work)


if __name__ == "__main__":
    main()
