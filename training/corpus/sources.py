"""From what a person names to repositories on this machine's disk."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from training.corpus import archives, git, packages
from training.corpus.licences import licence_of, spdx
from training.corpus.packages import Package
from training.types import CorpusError, Repository

_DOWNLOADS_AT_ONCE = 4
_ADDRESS = re.compile(r"(?:https?|ssh|git|file)://.+|[\w.-]+@[\w.-]+:.+")
_HINT = "give a folder, a git address, an archive, pypi:NAME[==VERSION], or a JSON list of packages"


class Progress(Protocol):
    """Called from the thread that iterates when a source is there."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """``done`` of ``total`` sources are there; ``stage`` names the one at hand."""
        ...


def silent(stage: str, done: int, total: int) -> None:
    """Report nothing."""


def open_sources(
    specs: Sequence[str],
    *,
    work_dir: Path,
    progress: Progress = silent,
    history: bool = False,
) -> Iterator[Repository]:
    """Yield the repositories that ``specs`` name, in their order.

    A spec is a folder, a git address or bare repository, an archive, ``pypi:NAME[==VERSION]``, or a
    JSON list of packages. What is fetched or unpacked stays in ``work_dir`` for the next time; only
    addresses and packages use the network. history: clone all commits.

    Raises:
        CorpusError: a spec is none of these, or can't be had. All are looked at before the first is
            opened, so that a typing error doesn't wait behind downloads.
    """
    jobs = [job for spec in specs for job in _jobs(spec)]
    names: dict[str, int] = {}
    for done, repository in enumerate(_opened(jobs, work_dir, history=history)):
        progress(repository.name, done + 1, len(jobs))
        # Two folders may have one name, and a file is known by its repository's name and its path.
        names[repository.name] = names.get(repository.name, 0) + 1
        count = names[repository.name]
        name = repository.name if count == 1 else f"{repository.name}~{count}"
        yield Repository(name, repository.commit, repository.licence, repository.root)


def _jobs(spec: str) -> Iterable[str | Path | Package]:
    """Return what a spec stands for: an address, a path or packages."""
    if spec.startswith("pypi:"):
        return [packages.parse_package(spec.removeprefix("pypi:"))]
    if _ADDRESS.fullmatch(spec):
        return [spec]
    path = Path(spec).expanduser()
    if path.is_file() and path.suffix == ".json":
        return packages.read_package_list(path)
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
    root, version = packages.fetch(package, work_dir / "packages")
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
