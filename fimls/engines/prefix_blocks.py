"""Which blocks of an engine's cache hold the keys and values of which tokens.

Bookkeeping alone, without the cache: the openvino engine's process manages its memory by it, and a
replay can ask it what any sequence of prompts would cost to compute.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

KV_BLOCK_TOKENS = 32
"""OpenVINO's paged attention keeps keys and values in blocks of this size on a CPU."""
KV_BLOCKS = 256
"""Blocks kept for all requests and for reuse: 8,192 tokens, 100 MB with the default model."""

_ID_BYTES = array("i").itemsize


@dataclass(slots=True, eq=False)
class Allocation:
    """The blocks of one sequence while it is computed."""

    table: list[int]
    """Block numbers in the order of the sequence."""
    ids: list[int]
    """The tokens whose keys and values are in the blocks. The caller appends what it computes."""
    reused: int
    """How many of the tokens were there from the start."""
    copy: tuple[int, int] | None
    """A block whose content must be copied to another, ``(source, target)``, before the first
    computation; None where reuse ends with a block."""


class PrefixBlocks:
    """A fixed number of blocks, shared by all sequences that begin alike.

    A new sequence takes over the longest start that it has in common with any other, to the token:
    whole blocks are shared, and the block in which they part is copied. One token is always
    computed, for its logits. Finished sequences are kept until their blocks are needed; the one
    that was used first goes first.
    """

    def __init__(self, capacity: int = KV_BLOCKS, block_tokens: int = KV_BLOCK_TOKENS) -> None:
        self.capacity = capacity
        self.block_tokens = block_tokens
        self._free = list(range(capacity))
        self._users = [0] * capacity
        self._running: list[Allocation] = []
        self._kept: dict[bytes, list[int]] = {}  # tables of finished sequences by their ids

    def match(self, ids: Sequence[int]) -> int:
        """How many of the first tokens of ``ids`` need not be computed."""
        return self._longest(ids)[0]

    def add(self, ids: Sequence[int]) -> None:
        """Note that a sequence was computed from start to end."""
        if allocation := self.allocate(ids, 0):
            allocation.ids = list(ids)
            self.release(allocation)

    def allocate(self, ids: Sequence[int], room_tokens: int) -> Allocation | None:
        """Blocks for ``ids`` and ``room_tokens`` more; None while others have too many.

        The allocation's ``copy`` must be done before any other block is written.
        """
        reused, donor = self._longest(ids)
        whole, partial = divmod(reused, self.block_tokens)
        shared = donor[: whole + (partial > 0)]
        needed = -(-(len(ids) + room_tokens) // self.block_tokens) - whole
        self._hold(shared)
        new = self._take(needed, shared)
        if new is None:
            self._let_go(shared)
            return None
        copy = (shared[whole], new[0]) if partial else None
        self._let_go(shared[whole:])
        allocation = Allocation([*shared[:whole], *new], list(ids[:reused]), reused, copy)
        self._running.append(allocation)
        return allocation

    def release(self, allocation: Allocation) -> None:
        """The sequence has ended: keep what was computed for the next one, free the rest."""
        self._running.remove(allocation)
        used = -(-len(allocation.ids) // self.block_tokens)
        self._let_go(allocation.table[used:])
        key, table = _key(allocation.ids), allocation.table[:used]
        for other in [*self._kept]:
            if other != key and other.startswith(key):
                self._let_go(table)
                self._kept[other] = self._kept.pop(other)  # used last
                return
            if key.startswith(other):
                self._let_go(self._kept.pop(other))
        self._kept[key] = table

    def _longest(self, ids: Sequence[int]) -> tuple[int, list[int]]:
        """The longest start in common with a sequence, and that sequence's blocks."""
        key = _key(ids[:-1])
        held, table = 0, list[int]()
        running = [(_key(one.ids), one.table) for one in self._running]
        for other, blocks in (*running, *self._kept.items()):
            more = (held + 1) * _ID_BYTES
            if len(other) >= more and key[:more] == other[:more] != b"":
                held, table = _common(key, other), blocks
        return held, table

    def _take(self, count: int, shared: Sequence[int]) -> list[int] | None:
        """Free blocks, made so where they are only kept."""
        busy = set(shared).union(*(one.table for one in self._running))
        if count > self.capacity - len(busy):
            return None
        while len(self._free) < count:
            self._let_go(self._kept.pop(next(iter(self._kept))))
        taken = [self._free.pop() for _ in range(count)]
        self._hold(taken)
        return taken

    def _hold(self, table: Sequence[int]) -> None:
        for block in table:
            self._users[block] += 1

    def _let_go(self, table: Sequence[int]) -> None:
        for block in table:
            self._users[block] -= 1
            if not self._users[block]:
                self._free.append(block)


def _key(ids: Sequence[int]) -> bytes:
    """The ids in a form that compares at the speed of memory."""
    return array("i", ids).tobytes()


def _common(one: bytes, other: bytes) -> int:
    """How many ids two keys begin with in common."""
    low, high = 0, min(len(one), len(other)) // _ID_BYTES
    while low < high:
        middle = (low + high + 1) // 2
        if one[: middle * _ID_BYTES] == other[: middle * _ID_BYTES]:
            low = middle
        else:
            high = middle - 1
    return low
