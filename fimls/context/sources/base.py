"""What sources share: the files and the index that they may ask, and windows of lines."""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Protocol

from fimls.context.files import SourceFile
from fimls.context.index import Window
from fimls.context.query import Candidate, Part
from fimls.context.surroundings import Surroundings
from fimls.syntax.modules import Lister
from fimls.syntax.words import identifiers, known_words

_LINES_MAX = 12  # of a window
_LENGTH_MIN = 3


class Reader(Lister, Protocol):
    """Reads files: a folder's (:class:`fimls.context.files.Files`), or a corpus's in training."""

    def read(self, path: str) -> SourceFile | None:
        """Return a file; None where there is none that may be read."""


class Lookup(Protocol):
    """Searches the workspace (:class:`fimls.context.index.Index`)."""

    def search(
        self, words: Sequence[str], *, limit: int, exclude: Collection[str] = ()
    ) -> list[Window]:
        """Return windows of files that contain many of the words, best first."""

    def defining_files(self, names: Collection[str], *, limit: int = 8) -> dict[str, list[str]]:
        """Return for each name the relative paths of files that define it."""


def words_beside(around: Surroundings) -> frozenset[str]:
    """Return the identifiers beside the cursor, without short and common ones."""
    return _words(around.beside, around.query.language_id)


def window(file: SourceFile, start: int, end: int, score: float) -> Candidate:
    """Make a candidate of a file's lines ``start`` to ``end`` (exclusive, from 0)."""
    lines = [line.rstrip() for line in file.lines[start:end]]
    while lines and not lines[-1]:
        lines.pop()
    while lines and not lines[0]:
        lines.pop(0)
    offset = file.line_starts[start] if start < len(file.lines) else len(file.text) + 1
    parts = (Part("\n".join(lines)),)
    return Candidate(file.path, offset, score, parts, is_window=True)


def overlap(lines: Sequence[str], language_id: str, words: frozenset[str]) -> tuple[int, float]:
    """Return how many of a set of words some lines contain, and the Jaccard similarity."""
    own = _words("\n".join(lines), language_id)
    shared = len(own & words)
    return shared, shared / len(own | words) if shared else 0.0


def densest(
    file: SourceFile, start: int, end: int, words: frozenset[str], size: int = _LINES_MAX
) -> tuple[int, int]:
    """Return the first ``size`` lines between two lines that contain most of the words."""
    end = min(end, len(file.lines))
    if end - start <= size:
        return start, end
    each = [_line_words(line, file.language_id) & words for line in file.lines[start:end]]
    best, most = 0, -1
    for first in range(len(each) - size + 1):
        count = len(frozenset().union(*each[first : first + size]))
        if count > most:
            best, most = first, count
    return start + best, start + best + size


def cut(file: SourceFile, start: int, end: int, score: float) -> Candidate:
    """Make a candidate of a definition's text, or of its first lines if it is long."""
    first = file.text.count("\n", 0, start)
    last = file.text.count("\n", 0, end) + 1
    found = window(file, first, min(last, first + _LINES_MAX), score)
    return replace(found, is_window=False)


@functools.lru_cache(maxsize=1 << 14)
def _line_words(line: str, language_id: str) -> frozenset[str]:
    """Return a line's words: most cursors in a file find the same windows."""
    return _words(line, language_id)


def _words(text: str, language_id: str) -> frozenset[str]:
    known = known_words(language_id)
    return frozenset(
        word for word in identifiers(text) if len(word) >= _LENGTH_MIN and word not in known
    )
