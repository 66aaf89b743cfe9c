"""The copy of a repository that a job works in."""

from __future__ import annotations

import filecmp
import os
import shutil
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

NOT_COPIED = shutil.ignore_patterns(
    ".git", ".hg", ".svn", ".venv", "venv", ".tox", ".nox", "__pycache__", "*.pyc", ".mypy_cache"
)


def fresh(source: str | None, work: Path, replaced: Mapping[str, str]) -> Path:
    """Empty ``work`` and lay out ``tree`` (a copy of ``source``), ``home`` and ``tmp`` in it.

    replaced: the new text of files, by path in the tree. Links stay links.
    """
    empty(work)
    tree = work.resolve() / "tree"
    if source is None:
        tree.mkdir()
    else:
        shutil.copytree(source, tree, symlinks=True, ignore=NOT_COPIED, copy_function=_copy)
        for folder, _, _ in os.walk(tree):  # the job may run as another user
            Path(folder).chmod(0o777)
    for name in ("home", "tmp"):
        (work / name).mkdir()
        (work / name).chmod(0o777)
    for path, text in replaced.items():
        target = tree / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
    return tree


def empty(folder: Path) -> None:
    """Remove all that a folder holds, however its rights were set; links aren't followed."""
    for entry in list(os.scandir(folder)):
        if not entry.is_dir(follow_symlinks=False):
            Path(entry.path).unlink()
            continue
        shutil.rmtree(entry.path, ignore_errors=True)
        if os.path.lexists(entry.path):
            _unlock(entry.path)
            shutil.rmtree(entry.path)


def changed(source: str, tree: Path, paths: Iterable[str]) -> list[str]:
    """Return those of ``paths`` that are no longer the same file in the copy as in the source."""
    different = []
    for path in paths:
        copy = tree / path
        try:
            regular = stat.S_ISREG(copy.lstat().st_mode)
            same = regular and filecmp.cmp(Path(source, path), copy, shallow=False)
        except OSError:
            same = False
        if not same:
            different.append(path)
    return different


def collect(tree: Path, patterns: Iterable[str], most_bytes: int) -> dict[str, bytes]:
    """Return what a job wrote under names that match; ordinary files only, the rest is left out."""
    found: dict[str, bytes] = {}
    for pattern in patterns:
        for path in sorted(tree.glob(pattern)):
            if os.path.realpath(path) != str(path):  # it, or a folder above it, is a link
                continue
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(handle, "rb") as file:
                if stat.S_ISREG(os.fstat(handle).st_mode):
                    found[path.relative_to(tree).as_posix()] = file.read(most_bytes)
    return found


def _copy(source: str, target: str) -> str:
    """Copy a file's bytes and whether it can be run; anything but an ordinary file is left out."""
    mode = Path(source).stat().st_mode
    if stat.S_ISREG(mode):
        shutil.copyfile(source, target)
        Path(target).chmod(0o777 if mode & 0o100 else 0o666)
    return target


def _unlock(folder: str) -> None:
    Path(folder).chmod(0o700)
    for parent, names, _ in os.walk(folder):
        for name in names:
            if not Path(parent, name).is_symlink():
                Path(parent, name).chmod(0o700)
