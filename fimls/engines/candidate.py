"""What every engine does for one of a request's candidates: its sampling, and its ids as text."""

from __future__ import annotations

from collections.abc import Iterable

from fimls.fim import HealingFilter, Tokenizer
from fimls.types import EngineError, SamplingParams

SAMPLED_TEMPERATURE = 0.6
"""Of the second and later candidates where the request is greedy: warm enough to differ."""


def candidate_sampling(sampling: SamplingParams, index: int) -> tuple[float, int]:
    """Temperature and seed of candidate ``index``; of several, the first is greedy."""
    temperature = sampling.temperature
    if sampling.candidates > 1:
        temperature = 0.0 if index == 0 else temperature or SAMPLED_TEMPERATURE
    return temperature, sampling.seed + index


class CandidateText:
    """Turns a candidate's ids, or its server's text, into the text that deltas report.

    Bytes of an incomplete character are held back, and the healed text is left out.
    """

    def __init__(self, tokenizer: Tokenizer, healing: str) -> None:
        self._decoder = tokenizer.stream()
        self._filter = HealingFilter(healing)

    def push_ids(self, token_ids: Iterable[int]) -> str:
        """The new text that ``token_ids`` complete.

        Raises:
            EngineError: the generation doesn't begin with the healed text.
        """
        return self.push_text(self._decoder.push(token_ids))

    def push_text(self, text: str) -> str:
        """As :meth:`push_ids`, for text that was decoded elsewhere.

        Raises:
            EngineError: the generation doesn't begin with the healed text.
        """
        try:
            return self._filter.push(text)
        except ValueError as error:
            raise EngineError(
                str(error), hint="turn token healing off for this engine: healing = false"
            ) from error

    def flush(self) -> str:
        """What is left at the end: an incomplete character, as U+FFFD.

        Nothing while the healed text is incomplete: half a character of it can't be told apart
        from a wrong one.
        """
        text = self._decoder.flush()
        return text if self._filter.complete else ""
