"""Places that somebody touched recently: edited, opened, or changed and not committed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fimls.context.files import SourceFile
from fimls.context.query import Candidate, Region, Session
from fimls.context.sources.base import Reader, densest, overlap, window, words_beside
from fimls.context.surroundings import Surroundings

_REGIONS_MAX = 24
_AROUND_LINES = 4  # of a region: where a change is says more than the change itself
_SHARED_MIN = 3
_SIMILAR_FULL = 0.4
_SCORE_MIN = 0.3
_LATEST = 0.8  # a score's factor for every four regions touched later


def recent(around: Surroundings, files: Reader, session: Session) -> Iterator[Candidate]:
    """Yield windows of regions that were edited or opened in other documents."""
    yield from _scored(session.recent, around, files, 0.75)


def changed(around: Surroundings, files: Reader, session: Session) -> Iterator[Candidate]:
    """Yield windows of uncommitted changes in other files."""
    yield from _scored(session.changed, around, files, 0.65)


def _scored(
    regions: Sequence[Region], around: Surroundings, files: Reader, best: float
) -> Iterator[Candidate]:
    words = words_beside(around)
    for age, region in enumerate(regions[:_REGIONS_MAX]):
        file = None if region.path == around.query.path else files.read(region.path)
        if file is None:
            continue
        first = max(0, region.start_line - _AROUND_LINES)
        start, end = densest(file, first, region.end_line + _AROUND_LINES, words)
        if score := _score(file, start, end, words, best):
            yield window(file, start, end, max(_SCORE_MIN, score * _LATEST ** (age / 4)))


def _score(file: SourceFile, start: int, end: int, words: frozenset[str], best: float) -> float:
    """Score lines by their likeness to the code beside the cursor; 0 if there is hardly any."""
    shared, similarity = overlap(file.lines[start:end], file.language_id, words)
    if shared < _SHARED_MIN:
        return 0.0
    return _SCORE_MIN + (best - _SCORE_MIN) * min(1.0, similarity / _SIMILAR_FULL)
