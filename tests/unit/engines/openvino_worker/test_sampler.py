"""From logits to tokens."""

from __future__ import annotations

import collections
import math

import numpy as np
import pytest

from fimls.engines.openvino_worker.generation import Sampler

LOGITS = np.log(np.array([0.5, 0.3, 0.15, 0.05], dtype=np.float32)) + 20


def test_greedy() -> None:
    """The likeliest token, with its probability among all."""
    token, logprob = Sampler(0.0, 1.0, 0).choose(LOGITS, None)
    assert 0 == token
    assert math.log(0.5) == pytest.approx(logprob, abs=1e-5)


def test_allowed() -> None:
    """The likeliest of those allowed; its probability is still that among all."""
    token, logprob = Sampler(0.0, 1.0, 0).choose(LOGITS, np.array([3, 2]))
    assert 2 == token
    assert math.log(0.15) == pytest.approx(logprob, abs=1e-5)


def test_banned() -> None:
    """The likeliest of the others, or a draw from them; ids that the model lacks are no matter."""
    banned = np.array([0, 2, 9])
    token, logprob = Sampler(0.0, 1.0, 0).choose(LOGITS, None, banned)
    assert 1 == token
    assert math.log(0.3) == pytest.approx(logprob, abs=1e-5)
    sampler = Sampler(1.0, 1.0, 1)
    drawn = collections.Counter(sampler.choose(LOGITS, None, banned)[0] for _ in range(2000))
    assert {1, 3} == set(drawn)
    assert 0.3 / 0.35 == pytest.approx(drawn[1] / 2000, abs=0.04)


def test_large_logits() -> None:
    """Logits whose exponential no number can hold give probabilities all the same."""
    logits = np.array([900.0, 900.0, -900.0], dtype=np.float32)
    _, logprob = Sampler(1.0, 0.9, 0).choose(logits, None)
    assert math.log(0.5) == pytest.approx(logprob)


def draws(temperature: float, top_p: float, seed: int = 1) -> collections.Counter[int]:
    """How often each token comes in 2,000 draws."""
    sampler = Sampler(temperature, top_p, seed)
    return collections.Counter(sampler.choose(LOGITS, None)[0] for _ in range(2000))


def test_temperature() -> None:
    """Draws follow the probabilities, flattened by the temperature."""
    assert 0.5 == pytest.approx(draws(1.0, 1.0)[0] / 2000, abs=0.04)
    weights = np.array([0.5, 0.3, 0.15, 0.05]) ** 0.5
    expected = weights[0] / weights.sum()
    assert expected == pytest.approx(draws(2.0, 1.0)[0] / 2000, abs=0.04)


def test_nucleus() -> None:
    """Only the likeliest tokens are drawn that together reach ``top_p``."""
    assert {0} == set(draws(1.0, 0.4))
    assert {0, 1} == set(draws(1.0, 0.6))
    assert {0, 1, 2} == set(draws(1.0, 0.9))


def test_seed() -> None:
    """Equal seeds draw equally, others don't."""
    sampled = [
        [sampler.choose(LOGITS, None)[0] for _ in range(50)]
        for sampler in (Sampler(1.0, 1.0, 7), Sampler(1.0, 1.0, 7), Sampler(1.0, 1.0, 8))
    ]
    assert sampled[0] == sampled[1] != sampled[2]
