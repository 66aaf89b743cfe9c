"""The bookkeeping of blocks of keys and values, against a cache that is really written."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fimls.engines.prefix_blocks import Allocation, PrefixBlocks

BLOCK = 4


def small(capacity: int = 8) -> PrefixBlocks:
    """Blocks of four tokens."""
    return PrefixBlocks(capacity, BLOCK)


def allocate(blocks: PrefixBlocks, ids: list[int], room_tokens: int = 0) -> Allocation:
    """Allocate blocks that must be there."""
    taken = blocks.allocate(ids, room_tokens)
    assert taken is not None
    return taken


def test_nothing_is_held_at_first() -> None:
    """A new cache holds nothing, and an empty sequence costs nothing."""
    blocks = small()
    assert 0 == blocks.match([1, 2, 3])
    assert 0 == blocks.match([])
    blocks.add([])
    assert 0 == blocks.match([1])


def test_reuse_is_counted_in_tokens() -> None:
    """The longest common start counts, whole blocks or not, except for the last token."""
    blocks = small()
    blocks.add([1, 2, 3, 4, 5, 6])
    assert 5 == blocks.match([1, 2, 3, 4, 5, 6])
    assert 6 == blocks.match([1, 2, 3, 4, 5, 6, 7])
    assert 2 == blocks.match([1, 2, 9, 4, 5, 6])
    assert 0 == blocks.match([9, 2, 3, 4, 5, 6])


def test_longest_of_several() -> None:
    """The sequence that has most in common is the one that is reused."""
    blocks = small()
    for ids in ([1, 2], [1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 8]):
        blocks.add(ids)
    assert 6 == blocks.match([1, 2, 3, 4, 5, 6, 9, 9])


def test_whole_blocks_are_shared_and_the_last_copied() -> None:
    """Two sequences share blocks up to where they part; the block in which they part is copied."""
    blocks = small()
    first = allocate(blocks, [1, 2, 3, 4, 5, 6])
    first.ids = [1, 2, 3, 4, 5, 6]
    second = allocate(blocks, [1, 2, 3, 4, 5, 7])
    assert first.table[0] == second.table[0]
    assert (first.table[1], second.table[1]) == second.copy
    assert (5, [1, 2, 3, 4, 5]) == (second.reused, second.ids)
    third = allocate(blocks, [1, 2, 3, 4, 8])
    assert (4, None) == (third.reused, third.copy)


def test_room_is_reserved() -> None:
    """An allocation has blocks for the prompt and for what is to come."""
    assert 1 == len(allocate(small(), [1, 2, 3], 1).table)
    assert 3 == len(allocate(small(), [1, 2, 3], 6).table)


def test_oldest_sequence_goes_first() -> None:
    """When blocks run out, the sequence that ended first is forgotten."""
    blocks = small(capacity=4)
    blocks.add([1] * 8)
    blocks.add([2] * 8)
    blocks.add([3] * 4)
    assert [0, 8, 4] == [blocks.match([first] * 9) for first in (1, 2, 3)]


def test_sequence_that_another_begins_with() -> None:
    """Of two sequences one of which begins with the other only the longer is kept, whichever ended
    first, and it counts as the latest.
    """
    for lengths in ((8, 8), (8, 4), (4, 8)):
        blocks = small(capacity=6)
        blocks.add([2] * 4)
        allocations = [allocate(blocks, [1] * length) for length in lengths]
        for one, length in zip(allocations, lengths, strict=True):
            one.ids = [1] * length
            blocks.release(one)
        blocks.add([3] * 16)
        assert 8 == blocks.match([1] * 9)


def test_sequences_under_way_keep_their_blocks() -> None:
    """What runs is never forgotten: an allocation that would need its blocks is refused, and the
    others keep theirs.
    """
    blocks = small(capacity=4)
    running = allocate(blocks, [1] * 8)
    blocks.add([2] * 8)
    assert blocks.allocate([3] * 12, 0) is None
    assert 8 == blocks.match([2] * 9)
    blocks.release(running)
    assert blocks.allocate([3] * 16, 0) is not None


def test_larger_than_the_cache() -> None:
    """A sequence that can't fit is refused and not recorded."""
    blocks = small(capacity=2)
    assert blocks.allocate([1] * 9, 0) is None
    blocks.add([1] * 9)
    assert 0 == blocks.match([1] * 9)


def test_what_was_computed_is_kept() -> None:
    """A sequence that ends early keeps what it had computed, and no more."""
    blocks = small()
    cancelled = allocate(blocks, list(range(20)))
    cancelled.ids += range(6)
    blocks.release(cancelled)
    assert 6 == blocks.match(list(range(20)))


IDS = st.lists(st.integers(0, 2), min_size=1, max_size=14)


@given(st.lists(st.tuples(IDS, st.integers(0, 14), st.booleans()), max_size=30))
def test_reused_blocks_hold_what_they_should(
    steps: list[tuple[list[int], int, bool]],
) -> None:
    """Whatever is allocated, computed in part and released in any order: the tokens that an
    allocation says it reuses are in its blocks, and stay there until it ends.
    """
    blocks = small()
    memory = [-1] * (blocks.capacity * BLOCK)
    running: list[Allocation] = []

    def slot(one: Allocation, position: int) -> int:
        return one.table[position // BLOCK] * BLOCK + position % BLOCK

    def check(one: Allocation) -> None:
        assert one.ids == [memory[slot(one, position)] for position in range(len(one.ids))]

    for ids, computed, stays in steps:
        if not stays and running:
            blocks.release(running.pop(0))
        expected = blocks.match(ids)
        taken = blocks.allocate(ids, 2)
        if taken is None:
            assert running
            continue
        assert expected == taken.reused < len(ids)
        if taken.copy:
            source, target = (block * BLOCK for block in taken.copy)
            memory[target : target + BLOCK] = memory[source : source + BLOCK]
        running.append(taken)
        for position in range(taken.reused, max(taken.reused, min(computed, len(ids)))):
            memory[slot(taken, position)] = ids[position]
            taken.ids.append(ids[position])
        for one in running:
            check(one)


@pytest.mark.parametrize("typed", [1, 5])
def test_typing_computes_what_was_typed(typed: int) -> None:
    """A prompt that grows at its end costs only the new tokens, however long one types."""
    blocks = PrefixBlocks()
    prompt = list(range(1000))
    blocks.add(prompt)
    for step in itertools.islice(itertools.count(1000, typed), 400):
        prompt = [*prompt, *range(step, step + typed)]
        assert typed == len(prompt) - blocks.match(prompt)
        blocks.add(prompt)
