"""How much of a text is likely enough to be shown, and whether it is worth showing at all.

Two decisions, both for completions that nobody asked for. ``likely_end`` cuts a text before the
token at which the model's own estimate of being right so far falls below a minimum: the text before
it can be shown while the rest is still guesswork, and nobody has to wait for that. ``judge`` then
weighs what is left by a logistic model of likelihood, position and names, fitted on replayed typing
(``benchmarks/calibrate_gate.py``; as Copilot's filter, with the features that are at hand here).
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from fimls.completer.flight import Candidate
from fimls.text import has_word, is_word_character
from fimls.types import CompletionContext, Mode

_WORD = re.compile(r"(?<!\w)[^\W\d]\w*")
_LONG_CHARS = 40

WEIGHTS: Mapping[str, float] = {
    "bias": 1.182,
    "sum_logprob": 1.181,
    "min_logprob": 0.009,
    "mean_logprob": 0.209,
    "log_chars": -0.173,
    "line_start": 0.424,
    "in_word": -0.073,
    "after_dot": -0.308,
    "several_lines": -0.476,
    "unknown_names": -0.006,
    "comment": -0.357,
}
"""The logistic model's; ``benchmarks/results/gate.json`` says on what they were fitted."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a completion is shown."""

    probability: float
    """Of the person going on to type just that."""

    threshold: float
    """The least probability that is shown."""

    features: Mapping[str, float]

    @property
    def passed(self) -> bool:
        """Whether it is likely enough."""
        return self.probability >= self.threshold


def likely_end(candidate: Candidate, start: int, minimum: float) -> int | None:
    """Where the text after ``start`` stops being right with probability ``minimum``.

    In code points of the candidate's text, never inside a word; None while all of it is likely, as
    everything is without log-probabilities.
    """
    if minimum <= 0 or not candidate.logprobs:
        return None
    text, so_far, least = candidate.text, 0.0, math.log(minimum)
    token_start = 0
    for end, logprob in zip(candidate.ends, candidate.logprobs, strict=True):
        # The rest of a token that was typed in part is certain.
        if token_start >= start and end > start:
            so_far += logprob
        if so_far < least:
            return max(start, _word_start(text, token_start))
        token_start = end
    return None


def _word_start(text: str, offset: int) -> int:
    """``offset``, or the start of the word that it splits."""
    if offset >= len(text) or not is_word_character(text[offset]):
        return offset
    while offset and is_word_character(text[offset - 1]):
        offset -= 1
    return offset


def features(
    text: str,
    logprobs: Sequence[float],
    context: CompletionContext,
    unknown_names: int,
) -> dict[str, float]:
    """What the gate looks at. logprobs: of the tokens of ``text``."""
    line = context.prefix[context.prefix.rfind("\n") + 1 :]
    last = line[-1:]
    return {
        "bias": 1.0,
        "sum_logprob": sum(logprobs),
        "min_logprob": min(logprobs, default=0.0),
        "mean_logprob": sum(logprobs) / len(logprobs) if logprobs else 0.0,
        "log_chars": math.log(max(len(text.strip()), 1)),
        "line_start": float(not line.strip()),
        "in_word": float(bool(last) and is_word_character(last)),
        "after_dot": float(last == "."),
        "several_lines": float(context.mode is Mode.MULTI),
        "unknown_names": float(min(unknown_names, 3)),
        "comment": float(line.lstrip().startswith(("#", "//", "*", '"""'))),
    }


def judge(found: Mapping[str, float], threshold: float) -> Verdict:
    """Weigh the features."""
    score = sum(WEIGHTS.get(name, 0.0) * value for name, value in found.items())
    probability = 1 / (1 + math.exp(-max(min(score, 30.0), -30.0)))
    return Verdict(probability, threshold, found)


def names(text: str, prefix: str = "") -> frozenset[str]:
    """The names in a completion, the first one with its part before the cursor.

    The last word counts only if something follows it: it may be unfinished. A single letter does
    not count.
    """
    start = len(prefix)
    while start and len(prefix) - start < _LONG_CHARS and is_word_character(prefix[start - 1]):
        start -= 1
    whole = prefix[start:] + text
    return frozenset(
        match[0]
        for match in _WORD.finditer(whole)
        if match.end() < len(whole) and 1 < len(match[0]) <= _LONG_CHARS
    )


def unseen(words: Collection[str], context: CompletionContext) -> frozenset[str]:
    """The words that occur nowhere in the document or the snippets as whole words."""
    places = (context.prefix, context.suffix, *(snippet.text for snippet in context.snippets))
    return frozenset(word for word in words if not any(has_word(place, word) for place in places))
