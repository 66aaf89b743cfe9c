"""From a row of logits to a token."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatRow = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]


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
