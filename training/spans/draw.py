"""Draws a file's spans by a mix of kinds.

White space at the start of a middle mostly belongs to the prefix: an editor has put the cursor
after the indentation. But a cursor may also be at the left margin (as in all of HumanEval's
infilling tasks), or at the end of a block's header before Enter was pressed; then the white space
is part of the middle. And people have often typed the beginning of a name before they see a
completion.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Mapping

from fimls.types import ConfigError
from training.spans.lines import LinePlaces
from training.spans.syntax import SyntaxPlaces
from training.types import CorpusFile, Span, SpanKind

DEFAULT_MIX: Mapping[SpanKind, float] = {
    SpanKind.LINE_END: 0.30,
    SpanKind.CHARACTERS: 0.16,
    SpanKind.STATEMENT: 0.10,
    SpanKind.LINES: 0.10,
    SpanKind.BLOCK: 0.08,
    SpanKind.EXPRESSION: 0.08,
    SpanKind.BODY: 0.06,
    SpanKind.EDIT: 0.06,
    SpanKind.ARGUMENTS: 0.06,
}
"""More than a quarter are the rest of a line: a server is asked for these most, and they teach the
model to stop there. Two fifths are syntax nodes (AST-FIM, arXiv 2506.00204, gains up to 5 points by
them; aiXcoder and Mellum train on little else). A sixth are characters without regard to syntax:
only these teach cursors inside tokens (Bavarian et al. 2022: 32 % with random spans, 10 % with
spans cut at tokens). Edits, where git has them, replace invented cursors. The weight of a kind that
a file doesn't have goes to the others in proportion."""


def parse_mix(text: str) -> dict[SpanKind, float]:
    """Read ``kind=weight,...``; a kind that isn't named has no weight. Weights are relative.

    Raises:
        ConfigError: a kind that doesn't exist, a weight that is no number, or none above 0.
    """
    mix: dict[SpanKind, float] = {}
    for item in filter(None, (item.strip() for item in text.split(","))):
        name, _, value = item.partition("=")
        try:
            kind = SpanKind(name.strip())
        except ValueError as error:
            kinds = ", ".join(kind.value for kind in SpanKind)
            raise ConfigError(
                f"mix: no kind of span is called {name.strip()!r}", hint=f"kinds: {kinds}"
            ) from error
        try:
            weight = float(value)
        except ValueError as error:
            raise ConfigError(
                f"mix: {item!r} has no weight", hint="write kind=weight, as in body=0.5"
            ) from error
        if not (weight >= 0 and math.isfinite(weight)):
            raise ConfigError(f"mix: {item!r} is out of range", hint="a weight is 0 or more")
        mix[kind] = weight
    if not sum(mix.values()):
        raise ConfigError("mix: no kind has a weight", hint="write kind=weight, as in body=0.5")
    return mix


CHARS_MAX = 700
"""Of a middle (Mellum, arXiv 2510.05788): longer ones teach little about where to stop."""

LONG_CHARS_MAX = 1200
"""Of a block or a body: shorter ones would leave out most functions."""

_LONG = frozenset({SpanKind.BLOCK, SpanKind.BODY})
_TRIES = 12  # of a kind before another one is drawn
_FAILURES = 2  # of a kind until it is drawn no more
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

    A span is never only white space, and at most :data:`CHARS_MAX` characters long
    (:data:`LONG_CHARS_MAX` for a block or a body).

    rng: decides everything.
    mix: weights. Kinds that the file doesn't have are soon drawn no more; edits never are, since
        they come from :func:`training.spans.edits`.
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
    """How to draw each kind; without a grammar for the file, those by lines and characters."""
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


_FROM_MARGIN = 0.35
_WITH_LINE_END = 0.5  # of those, so that the next line begins the suffix
_AFTER_HEADER = 0.12
_TYPED = 0.3
_LINEWISE = frozenset(
    {SpanKind.BLOCK, SpanKind.BODY, SpanKind.LINES, SpanKind.LINE_END, SpanKind.STATEMENT}
)
_BLOCKS = frozenset({SpanKind.BLOCK, SpanKind.BODY})
_NODES = frozenset({SpanKind.ARGUMENTS, SpanKind.EXPRESSION, SpanKind.STATEMENT})


def adjust(text: str, span: Span, rng: random.Random) -> Span:
    """Move a span's ends to where a cursor could have been; most stay as they are."""
    start, end = span.start, span.end
    line = text.rfind("\n", 0, start) + 1
    chance = rng.random()
    if span.kind in _LINEWISE and not text[line:start].strip():
        if span.kind in _BLOCKS and chance < _AFTER_HEADER and line > 0:
            header = text[:line].rstrip()
            return Span(len(header), end, span.kind) if header else span
        if chance < _FROM_MARGIN:
            whole = text.startswith("\n", end) and rng.random() < _WITH_LINE_END
            return Span(line, end + whole, span.kind)
    if span.kind in _NODES and chance < _TYPED:
        first_line = (text[start:end] + "\n").index("\n")
        typed = rng.randrange(first_line) if first_line > 1 else 0
        if text[start + typed : end].strip():
            return Span(start + typed, end, span.kind)
    return span
