"""Windows: runs of lines of a file, for code that is similar, recent or changed."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from fimls.context.files import SourceFile
from fimls.context.query import Candidate, Part
from fimls.context.surroundings import Surroundings
from fimls.syntax.words import identifiers, known_words

LINES_MAX = 12
_LENGTH_MIN = 3


def words_beside(around: Surroundings) -> frozenset[str]:
    """The identifiers beside the cursor that tell one piece of code from another."""
    return _words(around.beside, around.query.language_id)


def window(file: SourceFile, start: int, end: int, score: float, source: str) -> Candidate:
    """Lines ``start`` to ``end`` (exclusive, from 0) of a file as a candidate."""
    lines = [line.rstrip() for line in file.lines[start:end]]
    while lines and not lines[-1]:
        lines.pop()
    while lines and not lines[0]:
        lines.pop(0)
    offset = file.line_starts[start] if start < len(file.lines) else len(file.text) + 1
    return Candidate(file.path, offset, source, score, (Part("\n".join(lines)),))


def overlap(lines: Sequence[str], language_id: str, words: frozenset[str]) -> tuple[int, float]:
    """How many words some lines share with a set of them, and the Jaccard similarity."""
    own = _words("\n".join(lines), language_id)
    shared = len(own & words)
    return shared, shared / len(own | words) if shared else 0.0


def densest(
    file: SourceFile, start: int, end: int, words: frozenset[str], size: int = LINES_MAX
) -> tuple[int, int]:
    """The ``size`` lines between two lines that hold most of the words, the first such."""
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


def cut(file: SourceFile, start: int, end: int, score: float, source: str) -> Candidate:
    """A definition's text as a window: its head where it is long."""
    first = file.text.count("\n", 0, start)
    last = file.text.count("\n", 0, end) + 1
    return window(file, first, min(last, first + LINES_MAX), score, source)


@functools.lru_cache(maxsize=1 << 14)
def _line_words(line: str, language_id: str) -> frozenset[str]:
    """A line's words: the same windows are found at most of the cursors in a file."""
    return _words(line, language_id)


def _words(text: str, language_id: str) -> frozenset[str]:
    known = known_words(language_id)
    return frozenset(
        word for word in identifiers(text) if len(word) >= _LENGTH_MIN and word not in known
    )
