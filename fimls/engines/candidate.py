"""What engines share for each candidate: how it is sampled, what it may begin with, its text."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from fimls.fim import HealingFilter, Tokenizer
from fimls.types import EngineError, SamplingParams

SAMPLED_TEMPERATURE = 0.6
"""For the second and later candidates of a greedy request: high enough for them to differ."""


def candidate_sampling(sampling: SamplingParams, index: int) -> tuple[float, int]:
    """Temperature and seed of candidate ``index``; of several, the first is greedy."""
    temperature = sampling.temperature
    if sampling.candidates > 1:
        temperature = 0.0 if index == 0 else temperature or SAMPLED_TEMPERATURE
    return temperature, sampling.seed + index


class CandidateText:
    """Turns a candidate's ids, or a server's text, into the text that deltas report.

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

        Nothing while the healed text is incomplete: half a character of it can't be told from a
        wrong one.
        """
        text = self._decoder.flush()
        return text if self._filter.complete else ""


class ByteConstraint:
    """Which tokens may come next while a generation has to produce given text (token healing).

    A vocabulary sorted by bytes, so that each step is a few binary searches.

    Works on bytes, not characters: a token may end inside a character. Control tokens never occur.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        control = set(tokenizer.control_tokens.values())
        tokens = {
            index: token
            for index in range(tokenizer.vocab_size)
            if index not in control and (token := tokenizer.token_bytes(index))
        }
        self._ids = sorted(tokens, key=tokens.__getitem__)
        self._tokens = [tokens[index] for index in self._ids]
        self._longest = max(map(len, self._tokens), default=0)

    @property
    def ids(self) -> Sequence[int]:
        """All ids that text can be made of, in the order of their bytes."""
        return self._ids

    def allowed(self, left: bytes) -> list[int]:
        """Ids of the tokens that ``left`` begins with, or that begin with ``left``.

        left: the bytes that are still to be produced; not empty.
        """
        start, end = self._beyond(left)
        return self._ids[start:end] + [token for token, _ in self._parts_of(left)]

    def plan(self, text: bytes) -> list[tuple[int, int, list[tuple[int, int]]]]:
        """What :meth:`allowed` gives after 0, 1, 2... bytes of ``text``, in short.

        Returns ``(start, end, parts)`` for each. ``ids[start:end]`` are the tokens that begin with
        all that is left and go on; ``parts`` are those that are a beginning of it, or all of it,
        each with its length in bytes.
        """
        lefts = [text[produced:] for produced in range(len(text))]
        return [(*self._beyond(left), self._parts_of(left)) for left in lefts]

    def _beyond(self, left: bytes) -> tuple[int, int]:
        last = left + b"\xff" * self._longest
        return bisect_right(self._tokens, left), bisect_right(self._tokens, last)

    def _parts_of(self, left: bytes) -> list[tuple[int, int]]:
        """Ids of the tokens that ``left`` begins with, and the length of each in bytes."""
        parts = []
        for length in range(1, min(len(left), self._longest) + 1):
            part = left[:length]
            start, end = bisect_left(self._tokens, part), bisect_right(self._tokens, part)
            parts += [(token, length) for token in self._ids[start:end]]
        return parts
