"""Which tokens may come next while a generation has to produce given text (token healing).

The parent has the tokenizer and sends what it comes to: once, all ids that text is made of, in the
order of their bytes; with a request, for each number of bytes that are produced already, ``[start,
end, parts]``: the range of that order in which tokens begin with all that is left and have more,
and the tokens that are a part of what is left, or all of it, each as ``[id, bytes]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fimls.engines.openvino_worker.sampler import Ids


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
