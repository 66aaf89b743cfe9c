"""Files that list what to ignore, one in any folder, in the syntax of .gitignore (gitignore(5))."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from pathspec import GitIgnoreSpec

from fimls.git import Repository

_MAX_BYTES = 1_000_000


Patterns = Sequence[tuple[str, GitIgnoreSpec]]
"""Patterns and the folder they are relative to ("" or with a slash at its end), topmost first."""


class IgnoreFiles:
    """The ignore files of one name in a folder and in all folders below it.

    Files are read again when they change. Thread-safe: an entry of the cache is replaced, never
    changed.
    """

    def __init__(self, top: str, name: str, *, first: str = "") -> None:
        """Read files called ``name`` from ``top`` down; ``first`` is one above them all."""
        self._top = top.rstrip("/") + "/"
        self._name = name
        self._first = first
        self._cache: dict[str, tuple[tuple[int, int], GitIgnoreSpec]] = {}

    def patterns(self, folder: str) -> Patterns:
        """Return the patterns that apply in a folder, given as their bases are."""
        found = [("", spec)] if self._first and (spec := self._spec(self._first)) else []
        end = 0
        while True:
            base = folder[:end]
            if spec := self._spec(f"{self._top}{base}{self._name}"):
                found.append((base, spec))
            if end == len(folder):
                return found
            end = folder.index("/", end) + 1

    def _spec(self, path: str) -> GitIgnoreSpec | None:
        try:
            status = os.stat(path)  # noqa: PTH116  once a folder a path: Path() costs more
            if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_BYTES:
                return None
            signature = status.st_mtime_ns, status.st_size
            cached = self._cache.get(path)
            if cached is None or cached[0] != signature:
                lines = Path(path).read_text("utf-8", "replace").splitlines()
                cached = self._cache[path] = signature, GitIgnoreSpec.from_lines(_valid(lines))
        except OSError:  # not there, or not for us: then git couldn't read it either
            return None
        return cached[1]


def ignored(patterns: Patterns, relative: str, *, folder: bool) -> bool | None:
    """Whether patterns ignore a path of its own; None where they don't mention it.

    A deeper file decides before one above it, and within a file the last pattern that matches.
    patterns: those of the path's folder or of one below it. Whether a folder above the path is
    ignored, which nothing in it can undo, is for the caller to ask first.
    """
    verdict = None
    target = f"{relative}/" if folder else relative
    for base, spec in patterns:
        if len(base) < len(relative):
            match = spec.check_file(target[len(base) :])
            verdict = verdict if match.include is None else match.include
    return verdict


def _valid(lines: Iterable[str]) -> Iterable[str]:
    """Yield the lines that are patterns; git skips the others too."""
    for line in lines:
        try:
            GitIgnoreSpec.from_lines([line])
        except (ValueError, re.error):
            continue
        yield line


def git_top(folder: Path) -> tuple[Path, str] | None:
    """Return the work tree that a folder is in and the path of its info/exclude, or None."""
    repository = Repository.around(folder)
    if repository is None or repository.top is None:
        return None
    return repository.top, str(repository.common / "info" / "exclude")
