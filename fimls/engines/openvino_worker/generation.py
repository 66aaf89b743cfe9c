"""One generation: what of it is computed next, and what came of that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fimls.engines.openvino_worker.model import FloatRows, Part
from fimls.engines.prefix_blocks import Lease

FloatRow = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

_LONGEST_MATCH = 4


@dataclass(slots=True)
class Output:
    """What a step produced. finish: "stop" or "length" at the end; a stop token is left out."""

    ids: list[int]
    logprobs: list[float]
    finish: str | None = None


class Generation:
    """A sequence under way.

    Its last token is known before its keys and values are computed; with it go guesses at the
    tokens after it, because a few more tokens in a step cost next to nothing. Guesses that the
    model confirms are steps saved; the others' keys and values are written over.
    """

    def __init__(self, message: Mapping[str, Any], lease: Lease, healing: Healing) -> None:
        self.lease = lease
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
        """How many tokens are known but not computed: one while decoding, more before."""
        return len(self._history.ids) - len(self.lease.ids)

    def part(self, most: int, widths: Sequence[int]) -> Part:
        """What to compute next, at most ``most`` tokens of the prompt.

        widths: ascending; what fits one of them is filled up to it with guesses, because steps of
        equal width are faster than steps of the least.
        """
        past = len(self.lease.ids)
        ids = self._history.ids[past : past + most]
        rows = 0
        if self.unknown <= most:
            width = next((width for width in widths if width >= len(ids)), len(ids))
            self._guesses = self._history.continuation(width - len(ids))
            rows = 1 + len(self._guesses)
            ids += self._guesses
        self._part = Part(ids, past, self.lease.table, rows)
        return self._part

    def read(self, logits: FloatRows) -> Output:
        """Take in the logits of the last part.

        Raises:
            RuntimeError: no token is allowed.
        """
        output = Output([], [])
        known = len(self._part.ids) - max(0, self._part.rows - 1)
        self.lease.ids += self._part.ids[:known]
        for row, guess in zip(logits, [*self._guesses, None], strict=False):
            allowed = self._healing.allowed(len(row))
            stops = self._stops if self._healing.nothing_new else None
            token, logprob = self._sampler.choose(row, allowed, stops)
            self._healing.advance(token)
            self._history.append(token)
            self._left -= 1
            if token in self._stop_ids:
                output.finish = "stop"
                break
            output.ids.append(token)
            output.logprobs.append(logprob)
            if self._left <= 0:
                output.finish = "length"
                break
            if token != guess:
                break
            self.lease.ids.append(token)
        return output


class History:
    """A sequence's tokens, searchable from the end.

    Kept as a string with a character for each id, because a string searches at the speed of
    memory: code points go to 1,114,111, which is more than a vocabulary has.
    """

    def __init__(self, ids: Iterable[int]) -> None:
        self.ids = list(ids)
        self._text = "".join(map(chr, self.ids))

    def append(self, token: int) -> None:
        """Note the next token."""
        self.ids.append(token)
        self._text += chr(token)

    def continuation(self, count: int) -> list[int]:
        """Guess the next ``count`` tokens, whatever they are worth: those after the last place
        where the last four tokens stood before, or fewer, down to one.
        """
        text = self._text
        while len(text) < len(self._text) + count:
            text += self._following(text)[: len(self._text) + count - len(text)]
        return [ord(character) for character in text[len(self._text) :]]

    @staticmethod
    def _following(text: str) -> str:
        """What stands after the last match; the last token again where there is none."""
        for length in range(_LONGEST_MATCH, 0, -1):
            place = text.rfind(text[-length:], 0, -1)
            if place >= 0:
                return text[place + length :]
        return text[-1]


class Healing:
    """How far the healed text has been produced."""

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
        """The ids that may come next, of a model that knows ``model_ids``; None: any.

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
        # A token that isn't a part of what is left goes beyond it.
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
        """A token, one of ``allowed`` if given and none of ``banned``, and the log-probability that
        the model gives it among all tokens, at temperature 1.
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
