"""Which of several candidates comes first, and how sure the model was of one."""

from __future__ import annotations

import math
from collections import Counter
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
    no longer fits, then what a parser can't read. Then the text that most candidates agree on, then
    the highest mean log-likelihood; equals stay in their order. Suppressed ones are left out.
    """
    shown = {index: processed for index, (_, processed) in enumerate(drafts)}
    votes = Counter(one.text for one in shown.values() if one.suppressed is None)
    likelihood = {index: _likelihood(generation) for index, (generation, _) in enumerate(drafts)}
    best: dict[str, int] = {}
    for index, processed in shown.items():
        if processed.suppressed is None:
            other = best.setdefault(processed.text, index)
            if likelihood[index] > likelihood[other]:
                best[processed.text] = index
    if len(best) < 2:
        return list(best.values())
    misfits = {text: _misfits(text, context) for text in best}
    return sorted(
        best.values(),
        key=lambda index: (
            misfits[shown[index].text],
            -votes[shown[index].text],
            -likelihood[index],
        ),
    )


def _likelihood(generation: Generation) -> float:
    return fmean(generation.logprobs) if generation.logprobs else -math.inf


def _misfits(text: str, context: CompletionContext) -> tuple[bool, int]:
    """Whether the code below doesn't fit, and how many parse errors the cursor's surroundings have.

    No errors where nothing can be parsed.
    """
    before = context.prefix[-_PARSED_CHARACTERS:]
    after = context.suffix[:_PARSED_CHARACTERS]
    tree = parse(before + text + after, context.language_id, budget_ms=_PARSE_BUDGET_MS)
    errors = error_count(tree) if tree else 0
    return not Seam(text, context).fits(len(text)), errors
