"""Which tokens may come next while text is healed, as the worker knows it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fimls.engines.candidate import ByteConstraint
from fimls.engines.openvino_worker.generation import Healing
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
