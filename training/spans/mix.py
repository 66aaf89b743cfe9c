"""How often each kind of span: a setting."""

from __future__ import annotations

import math
from collections.abc import Mapping

from fimls.types import ConfigError
from training.types import SpanKind

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
"""More than a quarter are the rest of a line: what a server is asked for most, and what teaches to
stop there. Two fifths are syntax nodes (AST-FIM, arXiv 2506.00204, gains up to 5 points by them;
aiXcoder and Mellum train on little else). A sixth are characters without regard to syntax: only
they teach cursors inside tokens (Bavarian et al. 2022: random spans 32 % against 10 % for spans cut
at tokens). Edits, where git has them, take the place of invented cursors. A kind that a file
doesn't have goes to the others in their proportions."""


def parse_mix(text: str) -> dict[SpanKind, float]:
    """Read ``kind=weight,...``; a kind that isn't named has no weight. Weights are proportions.

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
