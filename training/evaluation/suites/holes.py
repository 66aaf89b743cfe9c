"""Kinds of holes, as a person sees them: how a middle lies in its lines."""

from __future__ import annotations

from fimls.types import Mode
from training.types import Span, SpanKind

INSIDE = "inside a line"
REST = "rest of line"
WHOLE = "whole line"
SEVERAL = "several lines"
BLOCK = "block"
BODY = "function body"
KINDS = (INSIDE, REST, WHOLE, SEVERAL, BLOCK, BODY)

_NODES = {SpanKind.BLOCK: BLOCK, SpanKind.BODY: BODY}
_SEVERAL_LINES = frozenset({SEVERAL, BLOCK, BODY})


def hole_kind(text: str, span: Span) -> str:
    """Return what a hole is: one of :data:`KINDS`. Blocks and bodies are, however they lie."""
    if span.kind in _NODES:
        return _NODES[span.kind]
    middle = text[span.start : span.end]
    if "\n" in middle.strip():
        return SEVERAL
    after = text[span.end :].lstrip(" \t\r")
    if not middle.rstrip(" \t\r").endswith("\n") and after and not after.startswith("\n"):
        return INSIDE
    before = text[text.rfind("\n", 0, span.start) + 1 : span.start]
    return REST if before.strip() and not middle.lstrip(" \t\r").startswith("\n") else WHOLE


def hole_mode(kind: str) -> Mode:
    """Return how much to ask for. On what a person types, the syntax decides; here it is known that
    several lines are missing, and a completion of one would say nothing about them.
    """
    return Mode.MULTI if kind in _SEVERAL_LINES else Mode.SINGLE
