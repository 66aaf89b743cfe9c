"""One generation: which tokens are computed next, and which token their logits give.

A few more tokens in a step cost next to nothing, so guesses go along (prompt lookup). While text is
healed, only some tokens may come next. A token is chosen from a row of logits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fimls.engines.openvino_worker.model import FloatRows, Part
from fimls.engines.prefix_blocks import Allocation
from fimls.types import FinishReason

FloatRow = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

_LONGEST_MATCH = 4


class Generation:
    """A sequence that is being generated.

    Its last token is known before its keys and values are computed. Guesses at the tokens after it
    are computed in the same step: each that the model confirms saves a step; the keys and values of
    the others are overwritten.
    """

    def __init__(
        self, message: Mapping[str, Any], allocation: Allocation, healing: Healing
    ) -> None:
        self.allocation = allocation
        self._history = History(message["ids"])
        self._healing = healing
        self._sampler = Sampler(message["temperature"], message["top_p"], message["seed"])
        self._stop_ids = frozenset(message["stop_ids"])
        self._stops = np.array(sorted(self._stop_ids), dtype=np.int64)
        self._left = int(message["max_tokens"])
        self._guesses: list[int] = []
        self._part = Part([], 0, [], 0)

    @property
    def unknown(self) -> int:
        """How many tokens are known but not yet computed: one while decoding, more before that."""
        return len(self._history.ids) - len(self.allocation.ids)

    def part(self, most: int, widths: Sequence[int]) -> Part:
        """What to compute next, at most ``most`` tokens of the prompt.

        widths: ascending. A part that fits one of them is filled up to it with guesses, because
        OpenVINO is faster when a step is as wide as the last one than when it is narrower.
        """
        past = len(self.allocation.ids)
        ids = self._history.ids[past : past + most]
        rows = 0
        if self.unknown <= most:
            width = next((width for width in widths if width >= len(ids)), len(ids))
            self._guesses = self._history.continuation(width - len(ids))
            rows = 1 + len(self._guesses)
            ids += self._guesses
        self._part = Part(ids, past, self.allocation.table, rows)
        return self._part

    def read(self, logits: FloatRows) -> tuple[list[tuple[int, float]], FinishReason | None]:
        """Take in the logits of the last part.

        Returns the new tokens with their log-probabilities, without a stop token, and why the
        generation ended; None: it goes on.

        Raises:
            RuntimeError: no token is allowed.
        """
        new: list[tuple[int, float]] = []
        known = len(self._part.ids) - max(0, self._part.rows - 1)
        self.allocation.ids += self._part.ids[:known]
        for row, guess in zip(logits, [*self._guesses, None], strict=False):
            allowed = self._healing.allowed(len(row))
            stops = self._stops if self._healing.nothing_new else None
            token, logprob = self._sampler.choose(row, allowed, stops)
            self._healing.advance(token)
            self._history.append(token)
            self._left -= 1
            if token in self._stop_ids:
                return new, FinishReason.STOP
            new.append((token, logprob))
            if self._left <= 0:
                return new, FinishReason.LENGTH
            if token != guess:
                break
            self.allocation.ids.append(token)
        return new, None


class History:
    """A sequence's tokens, and guesses at the next ones: what followed the last time the same
    tokens occurred (prompt lookup decoding, Saxena 2023).

    They are kept as a string with a character for each id, because strings are searched at the
    speed of memory; code points go up to 1,114,111, more than any vocabulary has.
    """

    def __init__(self, ids: Iterable[int]) -> None:
        self.ids = list(ids)
        self._text = "".join(map(chr, self.ids))

    def append(self, token: int) -> None:
        """Note the next token."""
        self.ids.append(token)
        self._text += chr(token)

    def continuation(self, count: int) -> list[int]:
        """Guess the next ``count`` tokens: those that followed the last earlier occurrence of the
        last four tokens, or of three, two or one. There are always ``count``, good or bad.
        """
        text = self._text
        while len(text) < len(self._text) + count:
            text += self._following(text)[: len(self._text) + count - len(text)]
        return [ord(character) for character in text[len(self._text) :]]

    @staticmethod
    def _following(text: str) -> str:
        """What follows the last match; the last token again where there is none."""
        for length in range(_LONGEST_MATCH, 0, -1):
            place = text.rfind(text[-length:], 0, -1)
            if place >= 0:
                return text[place + length :]
        return text[-1]


class Healing:
    """Which tokens may come next while the healed text is being produced.

    The parent has the tokenizer and sends what follows from it.

    vocabulary: all ids that text is made of, in the order of their bytes. plan: for each number of
    bytes produced, ``[start, end, parts]``. ``vocabulary[start:end]`` are the tokens that begin
    with all that is left and go on; ``parts`` are those that are a beginning of it, or all of it,
    each as ``[id, bytes]``.
    """

    def __init__(self, vocabulary: Ids, plan: Sequence[Sequence[Any]]) -> None:
        self._vocabulary = vocabulary
        self._plan = plan
        self._produced_bytes = 0

    @property
    def under_way(self) -> bool:
        """Whether some of the healed text is still to come."""
        return self._produced_bytes < len(self._plan)

    @property
    def nothing_new(self) -> bool:
        """Whether nothing was produced but healed text."""
        return self._produced_bytes <= len(self._plan)

    def allowed(self, model_ids: int) -> Ids | None:
        """The ids below ``model_ids`` that may come next; None: any.

        Raises:
            RuntimeError: there is none.
        """
        if not self.under_way:
            return None
        start, end, listed = self._plan[self._produced_bytes]
        parts = np.array([token for token, _ in listed], dtype=np.int64)
        allowed = np.concatenate([self._vocabulary[start:end], parts])
        allowed = allowed[allowed < model_ids]
        if not len(allowed):
            raise RuntimeError("the model's vocabulary can't spell the healed text")
        return allowed

    def advance(self, token: int) -> None:
        """Note that ``token`` was produced."""
        lengths: dict[int, int] = {}
        if self.under_way:
            *_, listed = self._plan[self._produced_bytes]
            lengths = dict(listed)
        # A token that isn't a beginning of what is left produces more than that.
        self._produced_bytes += lengths.get(token, len(self._plan) + 1)


class Sampler:
    """Greedy where the temperature is 0, else a draw from the nucleus (Holtzman et al. 2020)."""

    def __init__(self, temperature: float, top_p: float, seed: int) -> None:
        self._temperature = temperature
        self._top_p = top_p
        self._random = np.random.default_rng(seed)

    def choose(
        self, logits: FloatRow, allowed: Ids | None, banned: Ids | None = None
    ) -> tuple[int, float]:
        """Choose a token among ``allowed``, or among all but ``banned``.

        Returns it with the log-probability that the model gives it among all tokens, at
        temperature 1.
        """
        if allowed is not None:
            token = int(allowed[self._choose(logits[allowed])])
        elif banned is not None:
            others = logits.copy()
            others[banned[banned < len(logits)]] = -np.inf
            token = self._choose(others)
        else:
            token = self._choose(logits)
        largest = logits.max()
        total = np.exp(logits - largest).sum(dtype=np.float64)
        return token, float(logits[token] - largest - np.log(total))

    def _choose(self, logits: FloatRow) -> int:
        if self._temperature == 0:
            return int(logits.argmax())
        probabilities = np.exp((logits - logits.max()) / self._temperature, dtype=np.float64)
        probabilities /= probabilities.sum()
        if self._top_p < 1:
            order = np.argsort(-probabilities)
            before = probabilities[order].cumsum() - probabilities[order]
            probabilities[order[before >= self._top_p]] = 0
            probabilities /= probabilities.sum()
        return int(self._random.choice(len(probabilities), p=probabilities))
