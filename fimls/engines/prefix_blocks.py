"""Which blocks of an engine's cache hold the keys and values of which tokens.

Bookkeeping alone, without the cache: the openvino engine's process runs its memory by it, and a
replay can ask it what any sequence of prompts would cost to compute.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

KV_BLOCK_TOKENS = 32
"""OpenVINO's paged attention keeps keys and values in blocks of this size on a CPU."""
KV_BLOCKS = 256
"""Blocks kept for all requests and for reuse: 8,192 tokens, 100 MB with the default model."""

_ID_BYTES = array("i").itemsize


@dataclass(slots=True, eq=False)
class Lease:
    """The blocks of one sequence while it is computed.

    table: block numbers in the order of the sequence. ids: the tokens whose keys and values are in
    them; whoever computes more appends them. reused: how many were there from the start.
    copy: a block whose content must be copied to another, ``(source, target)``, before the first
    computation; None where reuse ends with a block.
    """

    table: list[int]
    ids: list[int]
    reused: int
    copy: tuple[int, int] | None


@dataclass(slots=True, eq=False)
class _Kept:
    """A finished sequence, for others that begin like it. key: its ids as bytes."""

    table: list[int]
    key: bytes


@dataclass(slots=True, eq=False)
class PrefixBlocks:
    """A fixed number of blocks, shared by all sequences that begin alike.

    A new sequence takes over the longest start that it has in common with any other, to the token:
    whole blocks are shared, the one in which they part is copied. One token is always computed,
    for its logits. Finished sequences are kept until their blocks are needed, the one that ended
    first going first.
    """

    capacity: int = KV_BLOCKS
    block_tokens: int = KV_BLOCK_TOKENS
    _free: list[int] = field(init=False)
    _users: list[int] = field(init=False)
    _kept: list[_Kept] = field(init=False)
    _leases: list[Lease] = field(init=False)

    def __post_init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._free = list(range(self.capacity))
        self._users = [0] * self.capacity
        self._kept = []
        self._leases = []

    def match(self, ids: Sequence[int]) -> int:
        """How many of the first tokens of ``ids`` need not be computed."""
        return self._longest(ids)[0]

    def add(self, ids: Sequence[int]) -> None:
        """Note that a sequence was computed from start to end."""
        if lease := self.lease(ids, 0):
            lease.ids = list(ids)
            self.release(lease)

    def lease(self, ids: Sequence[int], room_tokens: int) -> Lease | None:
        """Blocks for ``ids`` and ``room_tokens`` more; None while others have too many.

        The lease's ``copy`` must be done before any other block is written.
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
        lease = Lease([*shared[:whole], *new], list(ids[:reused]), reused, copy)
        self._leases.append(lease)
        return lease

    def release(self, lease: Lease) -> None:
        """The sequence has ended: keep what was computed for the next, free the rest."""
        self._leases.remove(lease)
        used = -(-len(lease.ids) // self.block_tokens)
        self._let_go(lease.table[used:])
        kept = _Kept(lease.table[:used], _key(lease.ids))
        self._kept.append(kept)
        for other in self._kept[:-1]:
            if kept.key.startswith(other.key):
                self._forget(other)
            elif other.key.startswith(kept.key):
                self._forget(kept)
                self._kept.append(self._kept.pop(self._kept.index(other)))  # the latest used
                break

    def _longest(self, ids: Sequence[int]) -> tuple[int, list[int]]:
        """The longest start in common with a sequence, and that sequence's blocks."""
        key = _key(ids[:-1])
        held, table = 0, list[int]()
        running = [_Kept(lease.table, _key(lease.ids)) for lease in self._leases]
        for other in (*running, *self._kept):
            more = (held + 1) * _ID_BYTES
            if len(other.key) >= more and key[:more] == other.key[:more] != b"":
                held, table = _common(key, other.key), other.table
        return held, table

    def _take(self, count: int, shared: Sequence[int]) -> list[int] | None:
        """Free blocks, made so where they are only kept."""
        busy = set(shared).union(*(lease.table for lease in self._leases))
        if count > self.capacity - len(busy):
            return None
        while len(self._free) < count:
            self._forget(self._kept[0])
        taken = [self._free.pop() for _ in range(count)]
        self._hold(taken)
        return taken

    def _forget(self, kept: _Kept) -> None:
        self._kept.remove(kept)
        self._let_go(kept.table)

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
