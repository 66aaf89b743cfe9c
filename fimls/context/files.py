"""The readable files of one workspace folder: the disk's, under the texts of open documents."""

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
from fimls.syntax.outline import Definition, Outline, outline
from fimls.text import MAX_DOCUMENT_BYTES

_CACHED_FILES, _CACHED_CHARS = 256, 16_000_000
_EMPTY = Outline((), ())
_KEY_MARK = "-----BEGIN"  # what a private key block of any kind starts with


Found = TypeVar("Found")


class SourceFile:
    """A file's text, with what is found out about it when it is asked for."""

    def __init__(
        self, path: str, text: str, language_id: str = "", known: Outline | None = None
    ) -> None:
        self.path = path
        self.text = text
        self.language_id = language_id or language_of(path)
        self.allowed: bool | None = None  # whether its content may be read, once that is known
        self._known = known
        self.memory: dict[tuple[object, Definition], object] = {}

    @functools.cached_property
    def outline(self) -> Outline:
        """Definitions and imports; empty where the file can't be parsed."""
        return self._known or outline(self.text, self.language_id) or _EMPTY

    @functools.cached_property
    def lines(self) -> list[str]:
        """Its lines without their ends."""
        return self.text.split("\n")

    @functools.cached_property
    def line_starts(self) -> list[int]:
        """The offset of each of :attr:`lines`."""
        return [0, *itertools.accumulate(len(line) + 1 for line in self.lines)][:-1]


def remembered(
    function: Callable[[SourceFile, Definition], Found],
) -> Callable[[SourceFile, Definition], Found]:
    """Find out once for each definition of a file what a pure function finds out about it.

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

    Paths are relative to the folder, with forward slashes. What is excluded, unreadable or outside
    the folder does not exist here.
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
        """Read nothing any more, so that a search under way ends soon."""
        self._stopped = True

    def open(self, path: str, text: str) -> None:
        """Let an open document's text stand for a file's."""
        with self._lock:
            self._open[path] = SourceFile(path, text)

    def close(self, path: str) -> None:
        """Take the file's text from the disk again."""
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
        """The files of a directory (not below it) whose names end so, sorted; [] if it has none."""
        inside = _inside(directory)
        if inside is None:
            return []
        try:
            names = os.listdir(self.folder / inside)  # noqa: PTH208  names are all it takes
        except OSError:  # no such directory, or not ours to read: it has no files for us
            return []
        return [
            posixpath.normpath(posixpath.join(inside, name))
            for name in sorted(names)
            if name.endswith(suffixes)
        ]

    def read(self, path: str) -> SourceFile | None:
        """Read a file, or take it from the cache; None where it may or can not be read."""
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
        """A file's text; None where it may or can not be read."""
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
        """Why a file's content may not be read; a key block also spoils what stands around it."""
        if reason := content_reason(data):
            return reason
        if _KEY_MARK.encode() in data and redacted(data.decode("utf-8", "replace")) is None:
            return "secret"
        return None


def _inside(path: str) -> str | None:
    """A path in its shortest form, or None where it leads out of the folder."""
    normal = posixpath.normpath(path.replace("\\", "/"))
    return None if normal.startswith(("/", "../")) or normal == ".." else normal
