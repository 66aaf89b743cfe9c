"""The readable files of one workspace folder; open documents hide the files on the disk."""

from __future__ import annotations

import functools
import itertools
import os
import posixpath
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

from fimls.context.exclusions import Exclusions
from fimls.context.reasons import content_reason
from fimls.context.secrets import redacted
from fimls.syntax import language_of
from fimls.syntax.definitions import Definition
from fimls.syntax.outline import Outline, outline
from fimls.text import MAX_DOCUMENT_BYTES

_CACHED_FILES, _CACHED_CHARS = 256, 16_000_000
_EMPTY = Outline((), ())
_KEY_MARK = "-----BEGIN"  # the start of a private key block of any kind


Found = TypeVar("Found")


class SourceFile:
    """A file's text, and what is derived from it on demand."""

    def __init__(
        self, path: str, text: str, language_id: str = "", known: Outline | None = None
    ) -> None:
        self.path = path
        self.text = text
        self.language_id = language_id or language_of(path)
        self.allowed: bool | None = None  # whether its content may be used; None: not known yet
        self._known = known
        self.memory: dict[tuple[object, Definition], object] = {}

    @functools.cached_property
    def outline(self) -> Outline:
        """Definitions and imports; empty where the file can't be parsed."""
        return self._known or outline(self.text, self.language_id) or _EMPTY

    @functools.cached_property
    def lines(self) -> list[str]:
        """Its lines, without line ends."""
        return self.text.split("\n")

    @functools.cached_property
    def line_starts(self) -> list[int]:
        """The offset of each of :attr:`lines`."""
        return [0, *itertools.accumulate(len(line) + 1 for line in self.lines)][:-1]


def remembered(
    function: Callable[[SourceFile, Definition], Found],
) -> Callable[[SourceFile, Definition], Found]:
    """Cache a pure function of a definition in the definition's file.

    A class is described for every cursor near which it is named.
    """

    @functools.wraps(function)
    def remembering(file: SourceFile, definition: Definition) -> Found:
        key = (function, definition)
        if key not in file.memory:
            file.memory[key] = function(file, definition)
        return cast(Found, file.memory[key])

    return remembering


class Files:
    """Reads files for retrieval; thread-safe.

    Paths are relative to the folder, with forward slashes. Files that are excluded, unreadable or
    outside the folder are treated as missing.
    """

    def __init__(self, folder: Path, exclusions: Exclusions) -> None:
        self.folder = folder
        self._root = str(folder)
        self._exclusions = exclusions
        self._lock = threading.Lock()
        self._open: dict[str, SourceFile] = {}
        self._read: OrderedDict[str, tuple[tuple[int, int], SourceFile | None]] = OrderedDict()
        self._stopped = False

    def stop(self) -> None:
        """Read nothing more, so that a running search ends soon."""
        self._stopped = True

    def open(self, path: str, text: str) -> None:
        """Use an open document's text instead of a file's."""
        with self._lock:
            self._open[path] = SourceFile(path, text)

    def close(self, path: str) -> None:
        """Use the file's text on the disk again."""
        with self._lock:
            self._open.pop(path, None)

    def exists(self, path: str) -> bool:
        """Whether there is such a file, readable or not."""
        inside = _inside(path)
        if inside is None:
            return False
        return inside in self._open or os.path.isfile(f"{self._root}/{inside}")  # noqa: PTH113  Path() costs more

    def has_folder(self, path: str) -> bool:
        """Whether there is such a folder."""
        inside = _inside(path)
        return inside is not None and os.path.isdir(f"{self._root}/{inside}")  # noqa: PTH112  as above

    def within(self, directory: str, suffixes: tuple[str, ...]) -> list[str]:
        """List the files directly in a directory whose names have these suffixes, sorted."""
        inside = _inside(directory)
        if inside is None:
            return []
        try:
            names = os.listdir(self.folder / inside)  # noqa: PTH208  names are all it takes
        except OSError:  # no such directory, or no permission
            return []
        return [
            posixpath.normpath(posixpath.join(inside, name))
            for name in sorted(names)
            if name.endswith(suffixes)
        ]

    def read(self, path: str) -> SourceFile | None:
        """Return a file, from the disk or the cache; None if it may not or can't be read."""
        inside = _inside(path)
        if self._stopped or inside is None:
            return None
        if self._exclusions.path_reason(self.folder / inside):
            return None
        with self._lock:
            opened = self._open.get(inside)
        if opened is not None:
            if opened.allowed is None:
                opened.allowed = self._reason(opened.text.encode("utf-8", "replace")) is None
            return opened if opened.allowed else None
        return self._cached(inside)

    def text(self, path: str) -> str | None:
        """Return a file's text; None if it may not or can't be read."""
        file = self.read(path)
        return file.text if file else None

    def _cached(self, path: str) -> SourceFile | None:
        absolute = self.folder / path
        try:
            status = absolute.stat()
        except OSError:  # deleted since it was found
            return None
        if status.st_size > MAX_DOCUMENT_BYTES:
            return None
        version = (status.st_mtime_ns, status.st_size)
        with self._lock:
            known = self._read.get(path)
            if known is not None and known[0] == version:
                self._read.move_to_end(path)
                return known[1]
        file = self._from_disk(path, absolute)
        with self._lock:
            self._read[path] = (version, file)
            while len(self._read) > _CACHED_FILES or self._chars() > _CACHED_CHARS:
                self._read.popitem(last=False)
        return file

    def _chars(self) -> int:
        return sum(len(file.text) for _, file in self._read.values() if file)

    def _from_disk(self, path: str, absolute: Path) -> SourceFile | None:
        try:
            data = absolute.read_bytes()
        except OSError:
            return None
        if self._reason(data):
            return None
        try:
            return SourceFile(path, data.decode("utf-8-sig"))
        except UnicodeDecodeError:
            return None

    def _reason(self, data: bytes) -> str | None:
        """Return why a file's content may not be used. One private key excludes the whole file."""
        if reason := content_reason(data):
            return reason
        if _KEY_MARK.encode() in data and redacted(data.decode("utf-8", "replace")) is None:
            return "secret"
        return None


def _inside(path: str) -> str | None:
    """Return a path in its shortest form; None if it leads out of the folder."""
    normal = posixpath.normpath(path.replace("\\", "/"))
    return None if normal.startswith(("/", "../")) or normal == ".." else normal
