"""Packages of the index as folders of code: wheels, unpacked and never installed nor imported.

Wheels only: to tell a source archive's metadata ``pip download`` runs the package's own build.
Give such an archive as a file instead.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from training.corpus.archives import unpack
from training.types import CorpusError

_DOWNLOAD_S = 1800
_OTHER_PYTHONS = ("3.14", "3.13", "3.12", "3.11", "3.10")  # the newest first: who lags, lags behind
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]*")


@dataclass(frozen=True, slots=True)
class Package:
    """A package of the index. version: "" is the newest. licence: what its list says, or ""."""

    name: str
    version: str = ""
    licence: str = ""

    def __post_init__(self) -> None:
        """Refuse what pip could take for an option, an address or a path."""
        if not _NAME.fullmatch(self.name):
            raise CorpusError(f"{self.name!r} is no package name")
        if self.version and not _VERSION.fullmatch(self.version):
            raise CorpusError(f"{self.name}: {self.version!r} is no version")


def parse_package(spec: str) -> Package:
    """Read ``NAME`` or ``NAME==VERSION``.

    Raises:
        CorpusError: it is neither.
    """
    name, _, version = spec.partition("==")
    return Package(name.strip(), version.strip())


def read_package_list(path: Path) -> list[Package]:
    """Read a JSON list of objects with a ``name`` and perhaps ``version`` and ``licence``.

    Raises:
        CorpusError: the file is none.
    """
    try:
        rows = json.loads(path.read_text("utf-8"))
        if not isinstance(rows, list):
            raise TypeError("not a list")
        return [
            Package(row["name"], row.get("version", ""), row.get("licence", "")) for row in rows
        ]
    except OSError as error:
        raise CorpusError(f"can't read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorpusError(
            f"{path} is no list of packages",
            hint='a package list is JSON: [{"name": "flask", "version": "3.1.3"}, ...]',
        ) from error


def fetch(package: Package, work_dir: Path) -> tuple[Path, str]:
    """Return a package's folder below ``work_dir``, and its version; downloads it the first time.

    Raises:
        CorpusError: pip has no wheel of it, can't reach the index, or the wheel is damaged.
    """
    name = re.sub(r"[-_.]+", "-", package.name).lower()
    if package.version and (known := work_dir / f"{name}-{package.version}").is_dir():
        return known, package.version
    work_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work_dir, prefix=".download-") as scratch:
        wheel = _download(package, Path(scratch))
        version = wheel.name.split("-")[1]
        folder = work_dir / f"{name}-{package.version or version}"
        if not folder.is_dir():
            unpack(wheel, folder)
    return folder, package.version or version


def _download(package: Package, scratch: Path) -> Path:
    """The wheel for this Python, or else for another: its code is read, not run."""
    asked = f"{package.name}=={package.version}" if package.version else package.name
    for python in ("", *_OTHER_PYTHONS):
        done = _pip(asked, scratch, python)
        if done.returncode == 0 and (wheels := list((scratch / "wheel").glob("*.whl"))):
            return wheels[0]
        # A name that nobody knows, and an index that can't be reached, have no versions.
        if b"(from versions: " not in done.stderr or b"(from versions: none)" in done.stderr:
            break
    lines = done.stderr.decode("utf-8", "replace").splitlines()
    errors = [line for line in lines if line.startswith("ERROR:")] or lines or ["no wheel"]
    raise CorpusError(
        f"{asked}: {errors[-1].removeprefix('ERROR:').strip()}",
        hint="only wheels are fetched; give a source archive as a file",
    )


def _pip(asked: str, scratch: Path, python: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(  # noqa: S603  no shell; the name was checked
            [
                *(sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps"),
                *("--disable-pip-version-check", "--only-binary=:all:", "--ignore-requires-python"),
                *(("--python-version", python) if python else ()),
                *("--dest", str(scratch / "wheel"), "--", asked),
            ],
            env={**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch))},
            cwd=scratch,  # -m looks for pip in the current folder first
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_DOWNLOAD_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CorpusError(f"{asked}: no end after {_DOWNLOAD_S // 60} minutes") from error
