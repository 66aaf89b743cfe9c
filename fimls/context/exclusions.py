"""Which files of a folder never go into a prompt, an index or a training set.

A file is judged by its names before it is opened: by the name it was asked for and by its real one,
since a link to a secret is a secret. Files that .gitignore, .fimlsignore or the settings name are
left out. ``!build/`` in a .fimlsignore brings back a folder that is left out only because of its
name; nothing brings back a secret.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pathspec import GitIgnoreSpec

from fimls.context.reasons import (
    Exclusion,
    is_made_folder,
    is_secret,
    is_secret_folder,
    name_reason,
    status_reason,
)
from fimls.git import Repository
from fimls.syntax import get_language, language_of
from fimls.types import ConfigError

_MADE_MARKS = ("CACHEDIR.TAG", "pyvenv.cfg")  # files that tools leave in the folders they make

_Patterns = Sequence[tuple[str, GitIgnoreSpec]]
"""Patterns and the folder they are relative to ("" or with a slash at its end), topmost first."""

_Lists = tuple[_Patterns, _Patterns]
"""The patterns of .fimlsignore and of .gitignore."""

_IGNORE_BYTES_MAX = 1_000_000


class Exclusions:
    """Decides which files of a folder may be read. Thread-safe; cheap to make.

    globs: the setting ``exclude``, in .gitignore's syntax, relative to the folder.

    Raises:
        ConfigError: one of ``globs`` isn't a pattern.
    """

    def __init__(self, folder: Path, globs: Sequence[str] = ()) -> None:
        self._asked = Path(os.path.abspath(folder))  # noqa: PTH100  resolve() would follow links
        self.folder = self._asked.resolve()
        self._prefix = str(self.folder).rstrip("/") + "/"
        try:
            self._globs = GitIgnoreSpec.from_lines(globs)
        except (ValueError, re.error) as error:
            raise ConfigError(
                f"exclude: {error}", hint="patterns are written as in .gitignore"
            ) from error
        self._fimlsignore = _IgnoreFiles(str(self.folder), ".fimlsignore")
        top, exclude = self.folder, ""
        repository = Repository.around(self.folder)
        if repository is not None and repository.top is not None:
            top, exclude = repository.top, str(repository.common / "info" / "exclude")
        prefix = self.folder.relative_to(top).as_posix()
        self._gitignore = _IgnoreFiles(str(top), ".gitignore", first=exclude)
        self._in_git = "" if prefix == "." else f"{prefix}/"
        if self._in_git and self._ignored_from_above(self._in_git):
            # Somebody opened a folder that the repository around it ignores: judge its own files.
            self._gitignore, self._in_git = _IgnoreFiles(str(self.folder), ".gitignore"), ""

    def path_reason(self, path: Path) -> Exclusion | None:
        """Return why an absolute path must not be read, or None. The file need not exist.

        Takes about 0.1 ms; opens only ignore files.
        """
        try:
            text = os.path.abspath(path)  # noqa: PTH100  as above
            real = os.path.realpath(text)
        except ValueError:  # a NUL in it
            return Exclusion.OUTSIDE
        asked = _inside(text, str(self._asked)) or _inside(text, str(self.folder))
        found = _inside(real, str(self.folder))
        if not asked or not found:
            return Exclusion.OUTSIDE
        for relative in dict.fromkeys((asked, found)):
            if reason := self._relative_reason(relative):
                return reason
        try:
            status = os.stat(real)  # noqa: PTH116  Path() costs more
        except OSError:  # an unsaved document; or reading it will fail
            return None
        return status_reason(status)

    def walk(self) -> Iterator[tuple[Path, os.stat_result]]:
        """Yield the files that may be read and are in a known language, with their status.

        Symbolic links are not followed: their targets in the workspace are found where they are.
        Folders that can't be listed, and files that are gone by now, are skipped.
        """
        pending = [""]
        while pending:
            base = pending.pop()
            lists = self._lists(base)
            try:
                with os.scandir(self.folder / base) as scan:
                    entries = sorted(scan, key=lambda entry: entry.name)
            except OSError:
                continue
            for entry in entries:
                relative = f"{base}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    if self._folder_reason(relative, lists) is None:
                        pending.append(f"{relative}/")
                elif entry.is_file(follow_symlinks=False) and _has_language(entry.name):
                    status = self._readable(relative, entry, lists)
                    if status is not None:
                        yield Path(f"{self._prefix}{relative}"), status

    def _readable(
        self, relative: str, entry: os.DirEntry[str], lists: _Lists
    ) -> os.stat_result | None:
        """Return the status of a file that may be read; None for another, or if it is gone."""
        if self._file_reason(relative, lists):
            return None
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:
            return None
        return None if status_reason(status) else status

    def _ignored_from_above(self, prefix: str) -> bool:
        patterns = self._gitignore.patterns(prefix)
        ends = [match.start() for match in re.finditer("/", prefix)]
        return any(_ignored(patterns, prefix[:end], folder=True) for end in ends)

    def _lists(self, folder: str) -> _Lists:
        """Return the patterns that apply in a folder: those of .fimlsignore, and of .gitignore."""
        git = self._gitignore.patterns(f"{self._in_git}{folder}")
        return self._fimlsignore.patterns(folder), git

    def _relative_reason(self, relative: str) -> Exclusion | None:
        lists = self._lists(relative[: relative.rfind("/") + 1])
        position = relative.find("/")
        while position >= 0:
            if reason := self._folder_reason(relative[:position], lists):
                return reason
            position = relative.find("/", position + 1)
        return self._file_reason(relative, lists)

    def _folder_reason(self, relative: str, lists: _Lists) -> Exclusion | None:
        """Return why a folder is left out, given that no folder above it is left out."""
        name = relative.rpartition("/")[2]
        if is_secret_folder(name):
            return Exclusion.SECRET
        listed = self._listed(relative, lists, folder=True)
        if isinstance(listed, Exclusion):
            return listed
        path = f"{self._prefix}{relative}"
        if listed is None and (
            is_made_folder(name) or any(os.path.lexists(f"{path}/{mark}") for mark in _MADE_MARKS)
        ):
            return Exclusion.MADE
        return None

    def _file_reason(self, relative: str, lists: _Lists) -> Exclusion | None:
        """Return why a file is left out by its name, given that no folder above it is left out."""
        if not relative.isascii() and not _is_text(relative):
            return Exclusion.NAME
        name = relative.rpartition("/")[2]
        if is_secret(name):
            return Exclusion.SECRET
        listed = self._listed(relative, lists, folder=False)
        if isinstance(listed, Exclusion):
            return listed
        return name_reason(name)

    def _listed(self, relative: str, lists: _Lists, *, folder: bool) -> Exclusion | bool | None:
        """Return which list excludes a path; False if a .fimlsignore brings it back, else None."""
        target = f"{relative}/" if folder else relative
        if self._globs.match_file(target):
            return Exclusion.SETTINGS
        own = _ignored(lists[0], relative, folder=folder)
        if own:
            return Exclusion.FIMLSIGNORE
        if _ignored(lists[1], f"{self._in_git}{relative}", folder=folder):
            return Exclusion.GITIGNORE
        return own


def _inside(path: str, folder: str) -> str:
    """Return a path relative to a folder, with forward slashes; "" if it is outside."""
    start = folder if folder.endswith(os.sep) else folder + os.sep
    return path[len(start) :].replace(os.sep, "/") if path.startswith(start) else ""


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # bytes that Python keeps as surrogates
        return False
    return True


def _has_language(name: str) -> bool:
    return get_language(language_of(name)) is not None


class _IgnoreFiles:
    """The ignore files of one name in a folder and all folders below it; see gitignore(5).

    Files are read again when they change. Thread-safe: entries of the cache are replaced, never
    changed.
    """

    def __init__(self, top: str, name: str, *, first: str = "") -> None:
        """Read files called ``name`` from ``top`` down; ``first`` is one above them all."""
        self._top = top.rstrip("/") + "/"
        self._name = name
        self._first = first
        self._cache: dict[str, tuple[tuple[int, int], GitIgnoreSpec]] = {}

    def patterns(self, folder: str) -> _Patterns:
        """Return the patterns that apply in a folder, which is "" or ends with a slash."""
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
            if not stat.S_ISREG(status.st_mode) or status.st_size > _IGNORE_BYTES_MAX:
                return None
            signature = status.st_mtime_ns, status.st_size
            cached = self._cache.get(path)
            if cached is None or cached[0] != signature:
                lines = Path(path).read_text("utf-8", "replace").splitlines()
                cached = self._cache[path] = signature, GitIgnoreSpec.from_lines(_valid(lines))
        except OSError:  # there is none, or git couldn't read it either
            return None
        return cached[1]


def _ignored(patterns: _Patterns, relative: str, *, folder: bool) -> bool | None:
    """Whether patterns ignore a path itself; None if they don't mention it.

    A deeper file overrides those above it, and in a file the last pattern that matches counts.
    patterns: those of the path's folder or of a folder below. Callers ask first whether a folder
    above the path is ignored, because no pattern can undo that.
    """
    verdict = None
    target = f"{relative}/" if folder else relative
    for base, spec in patterns:
        if len(base) < len(relative):
            match = spec.check_file(target[len(base) :])
            verdict = verdict if match.include is None else match.include
    return verdict


def _valid(lines: Iterable[str]) -> Iterable[str]:
    """Yield the lines that are patterns; git skips the others, too."""
    for line in lines:
        try:
            GitIgnoreSpec.from_lines([line])
        except (ValueError, re.error):
            continue
        yield line
