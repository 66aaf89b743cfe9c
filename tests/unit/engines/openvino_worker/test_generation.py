"""Generation: healed text, guesses at the next tokens, and the choice of one."""

from __future__ import annotations

import collections
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fimls.engines.candidate import ByteConstraint
from fimls.engines.openvino_worker.generation import Healing, History, Sampler
from fimls.fim import Tokenizer

TOKENIZER = Tokenizer(
    {
        "added_tokens": [{"id": 5, "content": "<end>", "special": True}],
        "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False},
        "model": {
            "type": "BPE",
            "vocab": {"a": 0, "b": 1, "ab": 2, "abc": 3, "ba": 4},
            "merges": [],
        },
    }
)
CONSTRAINT = ByteConstraint(TOKENIZER)
VOCABULARY = np.array(CONSTRAINT.ids)


@given(st.text("ab", max_size=6), st.data())
def test_against_the_constraint(text: str, data: st.DataObject) -> None:
    """Whatever is chosen, the same tokens are allowed as the constraint allows, until all of the
    text is there; then any.
    """
    left, overshoots = text.encode(), False
    healing = Healing(VOCABULARY, CONSTRAINT.plan(left))
    while left:
        allowed = healing.allowed(6)
        assert allowed is not None
        assert sorted(CONSTRAINT.allowed(left)) == sorted(allowed.tolist())
        assert healing.nothing_new
        token = data.draw(st.sampled_from(allowed.tolist()))
        healing.advance(token)
        overshoots = len(TOKENIZER.token_bytes(token)) > len(left)
        left = left[len(TOKENIZER.token_bytes(token)) :]
    assert healing.allowed(6) is None
    assert healing.nothing_new is not (bool(text) and overshoots)
    healing.advance(0)
    assert not healing.nothing_new


def test_ids_that_the_model_lacks() -> None:
    """A model with fewer ids than its tokenizer is asked for none that it doesn't know."""
    healing = Healing(VOCABULARY, CONSTRAINT.plan(b"ab"))
    allowed = healing.allowed(3)
    assert allowed is not None
    assert {0, 2} == set(allowed.tolist())


def test_text_that_cannot_be_spelled() -> None:
    """Text for which there are no tokens fails."""
    with pytest.raises(RuntimeError, match="can't spell"):
        Healing(VOCABULARY, CONSTRAINT.plan(b"x")).allowed(6)


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([1, 2, 3, 4, 5, 1, 2, 3], [4, 5, 1]),
        ([1, 2, 3, 7, 0, 9, 2, 3, 8, 0, 2, 3], [8, 0, 2]),  # two match last where 8 follows
        ([1, 2, 3, 7, 0, 2, 3, 8, 0, 1, 2, 3], [7, 0, 2]),  # three match further back
        ([3, 6, 0, 3, 8, 8, 3], [8, 8, 3]),
        ([5, 5, 5], [5, 5, 5]),
        ([1, 2, 1, 2], [1, 2, 1]),  # the guess itself goes on
        ([1, 2, 3], [3, 3, 3]),  # nothing to go by
        ([1], [1, 1, 1]),
    ],
)
def test_continuation(ids: list[int], expected: list[int]) -> None:
    """What followed the longest match, the latest of those."""
    assert expected == History(ids).continuation(3)


def test_appended_tokens_count() -> None:
    """Tokens that were generated are searched like those of the prompt."""
    history = History([1, 2])
    for token in (7, 8, 1, 2):
        history.append(token)
    assert [1, 2, 7, 8, 1, 2] == history.ids
    assert [7, 8] == history.continuation(2)


@given(st.lists(st.sampled_from([0, 1, 0xD800, 0xFFFF, 0x10000, 151_935]), min_size=1))
def test_any_id(ids: list[int]) -> None:
    """Ids that are no valid characters, such as surrogates, are ids like others."""
    assert set(History(ids).continuation(5)) <= set(ids)
    assert [] == History(ids).continuation(0)


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
    """The likeliest of the others, or a draw from them; ids that the model lacks don't matter."""
    banned = np.array([0, 2, 9])
    token, logprob = Sampler(0.0, 1.0, 0).choose(LOGITS, None, banned)
    assert 1 == token
    assert math.log(0.3) == pytest.approx(logprob, abs=1e-5)
    sampler = Sampler(1.0, 1.0, 1)
    drawn = collections.Counter(sampler.choose(LOGITS, None, banned)[0] for _ in range(2000))
    assert {1, 3} == set(drawn)
    assert 0.3 / 0.35 == pytest.approx(drawn[1] / 2000, abs=0.04)


def test_large_logits() -> None:
    """Logits whose exponential overflows still give probabilities."""
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
