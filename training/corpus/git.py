"""What git knows about a folder, and clones; all of it through :mod:`fimls.git`."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from fimls.git import (
    Git,
    GitError,
    NoRepositoryError,
    Repository,
    clone_command,
    offered,
    opened,
    opened_around,
)
from training.types import CorpusError

_CLONE_S = 3600


def commit_of(folder: Path) -> str:
    """Return the commit a folder is at, "" outside git, before the first commit or without git."""
    try:
        with opened_around(folder) as git:
            return git.repository.head()
    except GitError:
        return ""


def change_times(folder: Path) -> dict[str, int]:
    """Return when each file of the history last changed: path -> the commit's Unix time.

    Empty outside git. In a shallow clone everything changed with its one commit.
    """
    log = _ask(
        folder,
        *("log", "--format=%x01%ct", "--name-only", "--no-renames", "--no-ext-diff", "--no-color"),
        *("--relative", "-z", "--", "."),
    )
    times: dict[str, int] = {}
    # With -z: \x01 time \0 [\n] path \0 path \0 ... newest commit first.
    for entry in (log or "").split("\x01")[1:]:
        time, *paths = entry.split("\0")
        for path in paths:
            if name := path.lstrip("\n"):
                times.setdefault(name, int(time))
    return times


def clone(url: str, folder: Path, *, history: bool) -> None:
    """Clone a repository into a folder that isn't there yet.

    history: all commits rather than the newest alone.

    Raises:
        CorpusError: git is missing or failed; the message has git's last line.
    """
    try:
        with contextlib.ExitStack() as stack:
            # The other end of a local clone obeys the configuration of the repository there.
            local = _local(url)
            address = offered(stack.enter_context(opened(local))) if local else url
            _clone(address, url, folder, () if history else ("--depth", "1"))
        with opened(Repository(folder, folder / ".git", folder / ".git")) as git:
            if git.repository.head():
                _check_out(git, folder)
    except NoRepositoryError as error:
        raise CorpusError(
            f"can't clone {url}: {error}", hint="install git, or give a folder"
        ) from error
    except GitError as error:
        raise CorpusError(f"can't clone {url}: {error}", hint="check the address") from error


def _local(url: str) -> Repository | None:
    """Return the repository on this machine that an address names; None for one elsewhere.

    Raises:
        GitError: there is none.
    """
    parts = urlsplit(url)
    if parts.scheme.lower() != "file":
        return None
    path = url2pathname(parts.path)
    found = Repository.at(Path(path)) or Repository.at(Path(f"{path}.git"))
    if found is None:
        raise GitError("there is no repository")
    return found


def _clone(address: str, url: str, folder: Path, depth: tuple[str, ...]) -> None:
    command, environment = clone_command(address, folder, "--no-tags", "--single-branch", *depth)
    try:
        done = subprocess.run(  # noqa: S603  no shell; "--" ends the options
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_CLONE_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CorpusError(f"can't clone {url}: no end after {_CLONE_S // 60} minutes") from error
    if done.returncode != 0:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["unknown reason"]
        raise CorpusError(f"can't clone {url}: {lines[-1]}", hint="check the address")


def _check_out(git: Git, folder: Path) -> None:
    """Write the newest commit's files, through no filter."""
    git.ask(folder, "read-tree", "--reset", "-u", "HEAD", timeout_s=_CLONE_S)


def _ask(folder: Path, *question: str) -> str | None:
    try:
        with opened_around(folder) as git:
            return os.fsdecode(git.ask(folder, *question))
    except GitError:  # no git here, or no commit: then there is nothing to know
        return None
