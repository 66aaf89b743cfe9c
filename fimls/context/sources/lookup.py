"""What the sources ask of the workspace's index."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from fimls.context.index import Window


class Lookup(Protocol):
    """The read side of the index (:class:`fimls.context.index.Index`), or a test's fake."""

    def search(
        self, words: Sequence[str], *, limit: int, exclude: Collection[str] = ()
    ) -> list[Window]:
        """Windows of files that hold many of the words, best first."""

    def defining_files(self, names: Collection[str], *, limit: int = 8) -> dict[str, list[str]]:
        """For each name the relative paths of files that define it."""
