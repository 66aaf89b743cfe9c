"""Places that somebody touched lately: edited, opened, or changed and not committed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fimls.context.files import SourceFile
from fimls.context.query import Candidate, Region, Session
from fimls.context.sources.base import Reader, densest, overlap, window, words_beside
from fimls.context.surroundings import Surroundings

_REGIONS_MAX = 24
_AROUND_LINES = 4  # of a region: what was changed says less than where
_SHARED_MIN = 3
_SIMILAR_FULL = 0.4
_SCORE_MIN = 0.3
_LATEST = 0.8  # what each older region counts for, against the one touched after it


def recent(around: Surroundings, files: Reader, session: Session) -> Iterator[Candidate]:
    """Windows of regions that were edited or opened in other documents."""
    yield from _scored(session.recent, around, files, "recent", 0.75)


def changed(around: Surroundings, files: Reader, session: Session) -> Iterator[Candidate]:
    """Windows of uncommitted changes in other files."""
    yield from _scored(session.changed, around, files, "git", 0.65)


def _scored(
    regions: Sequence[Region], around: Surroundings, files: Reader, source: str, best: float
) -> Iterator[Candidate]:
    words = words_beside(around)
    for age, region in enumerate(regions[:_REGIONS_MAX]):
        file = None if region.path == around.query.path else files.read(region.path)
        if file is None:
            continue
        first = max(0, region.start_line - _AROUND_LINES)
        start, end = densest(file, first, region.end_line + _AROUND_LINES, words)
        if score := _score(file, start, end, words, best):
            yield window(file, start, end, max(_SCORE_MIN, score * _LATEST ** (age / 4)), source)


def _score(file: SourceFile, start: int, end: int, words: frozenset[str], best: float) -> float:
    """Worth by likeness to what stands beside the cursor; 0 where there is next to none."""
    shared, similarity = overlap(file.lines[start:end], file.language_id, words)
    if shared < _SHARED_MIN:
        return 0.0
    return _SCORE_MIN + (best - _SCORE_MIN) * min(1.0, similarity / _SIMILAR_FULL)
