"""One generation: what of it is computed next, and what came of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fimls.engines.openvino_worker.healing import Healing
from fimls.engines.openvino_worker.lookup import History
from fimls.engines.openvino_worker.model import FloatRows, Part
from fimls.engines.openvino_worker.sampler import Sampler
from fimls.engines.prefix_blocks import Lease


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
