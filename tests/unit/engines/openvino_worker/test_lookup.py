"""Guesses at the next tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fimls.engines.openvino_worker.generation import History


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
    """Ids that are no characters, surrogates among them, are ids all the same."""
    assert set(History(ids).continuation(5)) <= set(ids)
    assert [] == History(ids).continuation(0)
