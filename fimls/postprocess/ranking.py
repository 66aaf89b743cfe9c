"""Which of several candidates comes first, and how sure the model was of one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from fimls.postprocess.pipeline import Processed
from fimls.postprocess.seam import Seam
from fimls.syntax import error_count, parse
from fimls.types import CompletionContext, Generation

_PARSED_CHARACTERS = 4_000
_PARSE_BUDGET_MS = 10.0


def confidence(logprobs: Sequence[float]) -> float | None:
    """The geometric mean of the tokens' probabilities; None without log-probabilities."""
    return math.exp(sum(logprobs) / len(logprobs)) if logprobs else None


def rank(drafts: Sequence[tuple[Generation, Processed]], context: CompletionContext) -> list[int]:
    """Order candidates, best first: the indices of those to show, each text once.

    Fewest errors first, in the cursor's surroundings with the candidate in place: code below that
    no longer fits, then what a parser can't read. Equals are ordered by their mean log-likelihood,
    then as they came. Candidates that were suppressed are left out.
    """
    first: dict[str, int] = {}
    for index, (_, processed) in enumerate(drafts):
        if processed.suppressed is None:
            first.setdefault(processed.text, index)
    if len(first) < 2:
        return list(first.values())
    keys = {index: _key(drafts[index][0], text, context) for text, index in first.items()}
    return sorted(keys, key=lambda index: keys[index])


def _key(generation: Generation, text: str, context: CompletionContext) -> tuple[float, ...]:
    likelihood = fmean(generation.logprobs) if generation.logprobs else -math.inf
    return (not Seam(text, context).fits(len(text)), _errors(text, context), -likelihood)


def _errors(text: str, context: CompletionContext) -> int:
    """Parse errors around the cursor, 0 where nothing can be parsed."""
    before = context.prefix[-_PARSED_CHARACTERS:]
    after = context.suffix[:_PARSED_CHARACTERS]
    tree = parse(before + text + after, context.language_id, budget_ms=_PARSE_BUDGET_MS)
    return error_count(tree) if tree else 0
