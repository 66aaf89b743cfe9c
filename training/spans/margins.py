"""Where exactly a middle begins: white space at its start belongs to the prefix, mostly.

A middle that begins a line starts behind the indentation, since an editor has put the cursor there.
But a cursor also stands at the left margin (HumanEval's infilling tasks all do), and behind a
block's header before Enter was pressed; then the white space is part of what is to be written. And
people have typed the beginning of a name already when they see a completion.
"""

from __future__ import annotations

import random

from training.types import Span, SpanKind

_FROM_MARGIN = 0.35
_WITH_LINE_END = 0.5  # of those, so that the next line begins the suffix
_BEHIND_HEADER = 0.12
_TYPED = 0.3
_LINEWISE = frozenset(
    {SpanKind.BLOCK, SpanKind.BODY, SpanKind.LINES, SpanKind.LINE_END, SpanKind.STATEMENT}
)
_BLOCKS = frozenset({SpanKind.BLOCK, SpanKind.BODY})
_NODES = frozenset({SpanKind.ARGUMENTS, SpanKind.EXPRESSION, SpanKind.STATEMENT})


def adjust(text: str, span: Span, rng: random.Random) -> Span:
    """Move a span's ends as a cursor could have stood; the same length for most."""
    start, end = span.start, span.end
    line = text.rfind("\n", 0, start) + 1
    chance = rng.random()
    if span.kind in _LINEWISE and not text[line:start].strip():
        if span.kind in _BLOCKS and chance < _BEHIND_HEADER and line > 0:
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
