"""Functions of real packages, completed and judged by the packages' own tests.

    python benchmarks/evaluate_packages.py                       # results/functions.json

Source archives with tests, and a virtual environment for each package and what its tests need, are
made in the work folder the first time: that runs the packages' own code, as their tests do. The
tests themselves run in the sandbox of ``fimls eval``. The adapter that comes with fimls is compared
with the model alone. A package whose report is there already is not evaluated again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tarfile
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from record import evaluation, together, write_result


@dataclass(frozen=True)
class Package:
    """version: of the source archive. needs: what its tests import. tests: those that need no
    network; all where there is no such list.
    """

    version: str
    needs: tuple[str, ...] = ("pytest-asyncio",)
    tests: tuple[str, ...] = ()


PACKAGES = {
    "sheetwise": Package("2.8.0"),
    "pytest-impacted": Package("0.36.0"),
    "zapros": Package(
        "0.23.0",
        (
            *("anyio", "trio", "sniffio", "uvicorn", "wsproto", "h11", "h2", "litestar"),
            *("hishel[async]<2", "inline-snapshot", "pywhatwgurl", "pytest-codspeed"),
        ),
        tuple(
            f"tests/test_{name}.py"
            for name in ("headers", "models", "decoders", "multipart", "base_url", "io")
        ),
    ),
}
"""Of the held-out packages, those with tests that need no network."""


def source(name: str, version: str, work: Path) -> Path:
    """A package's source archive, unpacked."""
    folder = work / f"{name.replace('-', '_')}-{version}"
    if not folder.is_dir():
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
                *("--no-binary", name, "--dest", str(work), f"{name}=={version}"),
            ],
            check=True,
        )
        (archive,) = work.glob(f"{folder.name}.tar.gz")
        with tarfile.open(archive) as opened:
            opened.extractall(work, filter="data")
    return folder


def interpreter(name: str, package: Package, work: Path) -> Path:
    """A Python that has the package's dependencies and what its tests need."""
    folder = work / f"venv-{name}"
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        wanted = ("pytest", f"{name}=={package.version}", *package.needs)
        subprocess.run([*install, *wanted], check=True)
    return python


def evaluated(
    folder: Path, python: Path, output: Path, limit: int, tests: tuple[str, ...]
) -> dict[str, Any]:
    """What ``fimls eval`` reports of a package's functions."""
    if not (output / "report.json").exists():
        command = [sys.executable, "-m", "fimls", "eval", f"functions:{folder}"]
        options = ["--python", str(python), "--limit", str(limit), "-o", str(output)]
        options += ["--baseline", "none"]
        for path in tests:
            options += ["--tests", path]
        subprocess.run([*command, *options], check=True)
    return evaluation(output)


def main() -> None:
    """Evaluate and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("build/functions"))
    parser.add_argument("--limit", type=int, default=25, help="functions of each package")
    given = parser.parse_args()
    work: Path = given.work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    result = {}
    reports = {name: work / f"report-{name}" for name in PACKAGES}
    for name, package in PACKAGES.items():
        folder = source(name, package.version, work)
        python = interpreter(name, package, work)
        result[f"{name}-{package.version}"] = evaluated(
            folder, python, reports[name], given.limit, package.tests
        )
    changes = together(*reports.values())
    write_result("functions", {"packages": result, "together": changes}, seed=0)


if __name__ == "__main__":
    main()
