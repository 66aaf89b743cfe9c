"""Code elsewhere in the workspace that resembles the code around the cursor."""

from __future__ import annotations

from collections.abc import Iterator

from fimls.context.query import Candidate
from fimls.context.sources.base import Lookup, Reader, densest, overlap, window, words_beside
from fimls.context.surroundings import Surroundings

_FOUND_MAX = 8
_SHARED_MIN = 5
_WORDS_MAX = 40
# The Jaccard similarity at which a window is worth its tokens, and at which its score is highest
_SIMILAR_MIN, _SIMILAR_FULL = 0.25, 0.6
_SCORE_MIN, _SCORE_MAX = 0.4, 0.7


def lexical(around: Surroundings, files: Reader, index: Lookup) -> Iterator[Candidate]:
    """Yield the most similar lines in the windows that the index finds."""
    query = around.query
    words = words_beside(around)
    nearest = sorted(words, key=lambda word: (-around.near(word), word))[:_WORDS_MAX]
    if len(nearest) < _SHARED_MIN:
        return
    for found in index.search(nearest, limit=_FOUND_MAX, exclude=(query.path,)):
        file = files.read(found.path)
        if file is None or found.path == query.path:
            continue
        start, end = densest(file, found.start_line, found.end_line, words)
        shared, similarity = overlap(file.lines[start:end], file.language_id, words)
        if shared >= _SHARED_MIN:
            share = (similarity - _SIMILAR_MIN) / (_SIMILAR_FULL - _SIMILAR_MIN)
            score = _SCORE_MIN + (_SCORE_MAX - _SCORE_MIN) * min(1.0, share)
            yield window(file, start, end, max(0.0, score))
