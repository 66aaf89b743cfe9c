"""From what a person names to repositories on this machine's disk.

Packages of the index are wheels, unpacked and never installed nor imported: to read the metadata of
a source archive, ``pip download`` runs the package's own build. Give such an archive as a file.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from training.corpus import archives, git
from training.corpus.licences import licence_of, spdx
from training.types import CorpusError, Repository

_DOWNLOADS_AT_ONCE = 4
_ADDRESS = re.compile(r"(?:https?|ssh|git|file)://.+|[\w.-]+@[\w.-]+:.+")
_HINT = "give a folder, a git address, an archive, pypi:NAME[==VERSION], or a JSON list of packages"


def open_sources(
    specs: Sequence[str],
    *,
    work_dir: Path,
    history: bool = False,
) -> Iterator[Repository]:
    """Yield the repositories that ``specs`` name, in their order.

    A spec is a folder, a git address or bare repository, an archive, ``pypi:NAME[==VERSION]``, or a
    JSON list of packages. What is fetched or unpacked stays in ``work_dir`` for the next time; only
    addresses and packages use the network.

    history: clone all commits.

    Raises:
        CorpusError: a spec is none of these, or can't be had. All are checked before the first is
            opened, so that a typing error shows before any download.
    """
    jobs = [job for spec in specs for job in _jobs(spec)]
    names: dict[str, int] = {}
    for repository in _opened(jobs, work_dir, history=history):
        # Two folders may have the same name, and a file is known by its repository's and its path.
        names[repository.name] = names.get(repository.name, 0) + 1
        count = names[repository.name]
        name = repository.name if count == 1 else f"{repository.name}~{count}"
        yield Repository(name, repository.commit, repository.licence, repository.root)


def _jobs(spec: str) -> Iterable[str | Path | Package]:
    """Return what a spec names: an address, a path or packages."""
    if spec.startswith("pypi:"):
        return [parse_package(spec.removeprefix("pypi:"))]
    if _ADDRESS.fullmatch(spec):
        return [spec]
    path = Path(spec).expanduser()
    if path.is_file() and path.suffix == ".json":
        return read_package_list(path)
    if path.is_dir() or (path.is_file() and path.name.lower().endswith(archives.ARCHIVE_SUFFIXES)):
        return [path.resolve()]
    what = "can't be used" if path.exists() else "doesn't exist"
    raise CorpusError(f"{spec} {what}", hint=_HINT)


def _opened(
    jobs: Sequence[str | Path | Package], work_dir: Path, *, history: bool
) -> Iterator[Repository]:
    with ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool:
        fetches: dict[int, Future[Repository]] = {
            index: pool.submit(_package, job, work_dir)
            for index, job in enumerate(jobs)
            if isinstance(job, Package)
        }
        try:
            for index, job in enumerate(jobs):
                if isinstance(job, Package):
                    yield fetches.pop(index).result()
                elif isinstance(job, str):
                    yield _cloned(job, work_dir, history=history)
                elif job.is_file():
                    yield _archive(job, work_dir)
                elif _is_bare(job):
                    yield _cloned(str(job), work_dir, history=history)
                else:
                    yield Repository(job.name, git.commit_of(job), licence_of(job), job)
        finally:
            pool.shutdown(cancel_futures=True)


def _package(package: Package, work_dir: Path) -> Repository:
    root, version = fetch_package(package, work_dir / "packages")
    return Repository(package.name, version, licence_of(root) or spdx(package.licence), root)


def _archive(path: Path, work_dir: Path) -> Repository:
    suffix = next(each for each in archives.ARCHIVE_SUFFIXES if path.name.lower().endswith(each))
    name = path.name[: -len(suffix)]
    status = path.stat()
    mark = _short_hash(f"{path} {status.st_size} {status.st_mtime_ns}")
    folder = work_dir / "archives" / f"{name}-{mark}"
    if not folder.is_dir():
        archives.unpack(path, folder)
    root = archives.only_folder(folder)
    return Repository(name, "", licence_of(root), root)


def _cloned(address: str, work_dir: Path, *, history: bool) -> Repository:
    name = re.split(r"[/:]", address.rstrip("/"))[-1].removesuffix(".git")
    mark = _short_hash(f"{address} {history}")
    folder = work_dir / "clones" / f"{name}-{mark}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".cloning-"))
        try:
            # A path is not an address to git: it would ignore the depth.
            url = address if _ADDRESS.fullmatch(address) else Path(address).as_uri()
            git.clone(url, scratch / "clone", history=history)
            (scratch / "clone").replace(folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return Repository(name, git.commit_of(folder), licence_of(folder), folder)


def _is_bare(folder: Path) -> bool:
    return (folder / "HEAD").is_file() and (folder / "objects").is_dir()


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:12]


_DOWNLOAD_S = 1800
_OTHER_PYTHONS = ("3.14", "3.13", "3.12", "3.11", "3.10")  # packages come late to the newest
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]*")


@dataclass(frozen=True, slots=True)
class Package:
    """A package of the index."""

    name: str
    version: str = ""
    """Empty for the newest."""
    licence: str = ""
    """What the list of packages says; may be empty."""

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


def fetch_package(package: Package, work_dir: Path) -> tuple[Path, str]:
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
            archives.unpack(wheel, folder)
    return folder, package.version or version


def _download(package: Package, scratch: Path) -> Path:
    """Fetch the wheel for this Python, or else for another: its code is read, not run."""
    asked = f"{package.name}=={package.version}" if package.version else package.name
    for python in ("", *_OTHER_PYTHONS):
        done = _pip(asked, scratch, python)
        if done.returncode == 0 and (wheels := list((scratch / "wheel").glob("*.whl"))):
            return wheels[0]
        # An unknown name has no versions, and no index that can't be reached tells any.
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
