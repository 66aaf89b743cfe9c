"""Draws a file's spans by a mix of kinds."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping

from training.spans.lines import LinePlaces
from training.spans.margins import adjust
from training.spans.mix import DEFAULT_MIX
from training.spans.syntax import SyntaxPlaces
from training.types import CorpusFile, Span, SpanKind

CHARS_MAX = 700
"""Of a middle (Mellum, arXiv 2510.05788): longer ones teach little about where to stop."""

LONG_CHARS_MAX = 1200
"""Of a block or a body: shorter ones would leave out most functions."""

_LONG = frozenset({SpanKind.BLOCK, SpanKind.BODY})
_TRIES = 12  # of a kind before another one is drawn
_FAILURES = 2  # of a kind before it is drawn no more
_DRAWS = 4  # for each span that is wanted

_Draw = Callable[[random.Random], "tuple[int, int] | None"]


def draw_spans(
    file: CorpusFile,
    *,
    count: int,
    rng: random.Random,
    mix: Mapping[SpanKind, float] = DEFAULT_MIX,
) -> list[Span]:
    """Draw at most ``count`` different spans, in the file's order; fewer where it has fewer.

    mix: weights; kinds without a place in the file are drawn no more, and edits never are: they
    come from :func:`training.spans.edits`. rng: decides everything, so that its seed does.
    A span is never only white space, and at most :data:`CHARS_MAX` characters long
    (:data:`LONG_CHARS_MAX` for a block or a body).
    """
    if not file.text.strip():
        return []
    places = _places(file)
    weights = {
        kind: weight for kind, weight in mix.items() if weight > 0 and kind is not SpanKind.EDIT
    }
    failures = Counter[SpanKind]()
    found: dict[tuple[int, int], Span] = {}
    for _ in range(count * _DRAWS):
        if len(found) == count or not weights:
            break
        kind = rng.choices(list(weights), list(weights.values()))[0]
        span = _draw(file.text, kind, places[kind], rng) if kind in places else None
        if span is None:
            failures[kind] += 1
            if failures[kind] == _FAILURES or kind not in places:
                del weights[kind]
        else:
            found.setdefault((span.start, span.end), span)
    return [span for _, span in sorted(found.items())]


def _draw(text: str, kind: SpanKind, draw: _Draw, rng: random.Random) -> Span | None:
    chars_max = LONG_CHARS_MAX if kind in _LONG else CHARS_MAX
    for _ in range(_TRIES):
        place = draw(rng)
        if place is None or place[1] - place[0] > chars_max:
            continue
        span = adjust(text, Span(*place, kind), rng)
        if span.end - span.start <= chars_max:
            return span
    return None


def _places(file: CorpusFile) -> dict[SpanKind, _Draw]:
    """How to draw each kind, without those that the file's language has no grammar for."""
    lines = LinePlaces(file.text)
    places: dict[SpanKind, _Draw] = {
        SpanKind.LINE_END: lines.line_end,
        SpanKind.LINES: lines.lines,
        SpanKind.CHARACTERS: lines.characters,
    }
    tree = SyntaxPlaces.of(file.text, file.language_id)
    if tree is not None:
        for kind, chars_max in (
            (SpanKind.EXPRESSION, CHARS_MAX),
            (SpanKind.ARGUMENTS, CHARS_MAX),
            (SpanKind.STATEMENT, CHARS_MAX),
            (SpanKind.BLOCK, LONG_CHARS_MAX),
            (SpanKind.BODY, LONG_CHARS_MAX),
        ):
            places[kind] = _node(tree, kind, chars_max)
    return places


def _node(tree: SyntaxPlaces, kind: SpanKind, chars_max: int) -> _Draw:
    return lambda rng: tree.draw(kind, chars_max, rng)
