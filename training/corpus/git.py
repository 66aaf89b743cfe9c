"""What git knows about a folder, asked without running anything the repository names.

A repository's own configuration may name programs (hooks, monitors, filters, diff tools). No
command here starts one, asks for a password, or follows a submodule.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from fimls.context.git import SAFE_GIT
from training.types import CorpusError

_QUESTION_S = 60
_CLONE_S = 3600
_SAFE = (
    *SAFE_GIT,
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "log.showSignature=false"),
)


def commit_of(folder: Path) -> str:
    """Return the commit a folder is at, "" outside git, before the first commit or without git."""
    return (_ask(folder, "rev-parse", "--verify", "--quiet", "HEAD") or "").strip()


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
    """Clone a repository into a folder that isn't there yet; without ``history`` its newest commit.

    Raises:
        CorpusError: git is missing, or could not; the message is git's last line.
    """
    depth = () if history else ("--depth", "1")
    command = [
        *(*_SAFE, "-c", "protocol.ext.allow=never", "clone", "--quiet", "--template="),
        *(
            "--no-tags",
            "--single-branch",
            "--no-recurse-submodules",
            *depth,
            "--",
            url,
            str(folder),
        ),
    ]
    try:
        done = subprocess.run(  # noqa: S603  no shell; "--" ends the options
            command,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_CLONE_S,
            check=False,
        )
    except FileNotFoundError as error:
        raise CorpusError(
            f"can't clone {url}: git is not installed", hint="install git, or give a folder"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise CorpusError(f"can't clone {url}: no end after {_CLONE_S // 60} minutes") from error
    if done.returncode != 0:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["unknown reason"]
        raise CorpusError(f"can't clone {url}: {lines[-1]}", hint="check the address")


def _ask(folder: Path, *question: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603  no shell, a fixed question
            [*_SAFE, *question],
            cwd=folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_QUESTION_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):  # no git here: then there is nothing to know
        return None
    return os.fsdecode(done.stdout) if done.returncode == 0 else None


def _environment() -> dict[str, str]:
    return {
        **os.environ,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "LC_ALL": "C",
    }
