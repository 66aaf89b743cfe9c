"""A repository's files in memory, as retrieval reads them."""

from __future__ import annotations

import posixpath
from collections import OrderedDict
from collections.abc import Iterable, Mapping

from fimls.context.files import SourceFile

_CACHED_FILES = 512


class RepositoryFiles:
    """A repository's texts by path: the Reader of :mod:`fimls.context`, without a disk.

    Serving reads files one by one and looks each time whether it may; here all that may be read is
    known, and paths that exist but may not be read (``others``) can be asked for, no more.
    """

    def __init__(self, texts: Mapping[str, str], others: Iterable[str] = ()) -> None:
        self.texts = texts
        self._exist = {*texts, *others}
        self._children: dict[str, list[str]] = {}
        for path in sorted(self._exist):
            self._children.setdefault(posixpath.dirname(path), []).append(path)
        folders = [folder for folder in self._children if folder]
        for folder in folders:
            while (folder := posixpath.dirname(folder)) and folder not in self._children:
                self._children[folder] = []
        self._read: OrderedDict[str, SourceFile] = OrderedDict()

    def exists(self, path: str) -> bool:
        """Whether there is such a file, readable or not."""
        return posixpath.normpath(path) in self._exist

    def has_folder(self, path: str) -> bool:
        """Whether there is such a folder."""
        normal = posixpath.normpath(path)
        return normal == "." or normal in self._children

    def within(self, directory: str, suffixes: tuple[str, ...]) -> list[str]:
        """The files of a directory (not below it) whose names end so, sorted."""
        normal = posixpath.normpath(directory)
        found = self._children.get("" if normal == "." else normal, [])
        return [path for path in found if path.endswith(suffixes)]

    def read(self, path: str) -> SourceFile | None:
        """A file, None where there is none that may be read."""
        normal = posixpath.normpath(path)
        known = self._read.get(normal)
        if known is not None:
            self._read.move_to_end(normal)
            return known
        text = self.texts.get(normal)
        if text is None:
            return None
        file = self._read[normal] = SourceFile(normal, text)
        if len(self._read) > _CACHED_FILES:
            self._read.popitem(last=False)
        return file

    def text(self, path: str) -> str | None:
        """A file's text, None where there is none that may be read."""
        return self.texts.get(posixpath.normpath(path))
