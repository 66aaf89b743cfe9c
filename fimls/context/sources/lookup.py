"""What the sources ask of a workspace: its files and its index."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from fimls.context.files import SourceFile
from fimls.context.index import Window
from fimls.syntax.modules import Lister


class Reader(Lister, Protocol):
    """Reads files: those of a folder (:class:`fimls.context.files.Files`), or training's own."""

    def read(self, path: str) -> SourceFile | None:
        """A file, None where there is none that may be read."""


class Lookup(Protocol):
    """The read side of the index (:class:`fimls.context.index.Index`), or a test's fake."""

    def search(
        self, words: Sequence[str], *, limit: int, exclude: Collection[str] = ()
    ) -> list[Window]:
        """Windows of files that hold many of the words, best first."""

    def defining_files(self, names: Collection[str], *, limit: int = 8) -> dict[str, list[str]]:
        """For each name the relative paths of files that define it."""
