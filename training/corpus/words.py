"""A text's words as numbers, all at once in numpy, and its functions, by indentation alone.

A word's hash is polynomial: each byte becomes a random 64-bit number, times a power of an odd
number for its place; they are summed modulo 2^64 and mixed. So the sum is the difference of two
running sums over the whole text, times the inverse power for the word's start. The random numbers
come from a fixed seed and a generator whose raw stream numpy keeps stable, so that stored hashes
stay comparable.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from functools import cache
from itertools import accumulate

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]

VERSION = 1
"""Changes with anything that changes a hash; files of hashes carry it."""

_RANDOM: Hashes = np.random.PCG64(20).random_raw(256 + 16)
_OF_BYTE = _RANDOM[:256]
_OF_NEIGHBOUR = _RANDOM[256:] | np.uint64(1)
_BASE = 0x9E3779B97F4A7C15
_BASE_INVERSE = pow(_BASE, -1, 1 << 64)
_MIX = np.uint64(0xD6E8FEB86659FD93)
_HALF = np.uint64(32)

_IS_WORD = np.zeros(256, bool)
_IS_WORD[[*b"_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"]] = True
_IS_WORD[128:] = True


@dataclass(frozen=True, slots=True)
class Words:
    """A text's longest runs of letters, digits and underscores, in order."""

    data: bytes
    """The text in UTF-8."""
    hashes: Hashes
    """Of each word."""
    starts: npt.NDArray[np.int64]
    """Of each word, in bytes."""


def words_of(text: str) -> Words:
    """Find and hash a text's words."""
    data = text.encode("utf-8", "surrogatepass")
    codes = np.frombuffer(data, np.uint8)
    inside = np.zeros(len(codes) + 2, bool)
    np.take(_IS_WORD, codes, out=inside[1:-1])
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    starts, ends = edges[::2], edges[1::2]
    powers, inverses = _powers(1 << len(data).bit_length())
    sums = np.zeros(len(codes) + 1, np.uint64)
    np.cumsum(_OF_BYTE[codes] * powers[: len(codes)], out=sums[1:])
    return Words(data, mixed((sums[ends] - sums[starts]) * inverses[starts]), starts)


def runs_of(hashes: Hashes, width: int) -> Hashes:
    """Return the hash of each run of ``width`` neighbours, at most 16; none if there are fewer."""
    count = len(hashes) - width + 1
    if count < 1:
        return np.zeros(0, np.uint64)
    total = np.zeros(count, np.uint64)
    for place in range(width):
        total += hashes[place : place + count] * _OF_NEIGHBOUR[place]
    return mixed(total)


def row_hashes(rows: npt.NDArray[np.uint64]) -> Hashes:
    """Return the hash of each row of at most 16 numbers."""
    # Mixed first: neighbours that are small numbers would meet too often in a plain sum.
    return mixed((mixed(rows) * _OF_NEIGHBOUR[: rows.shape[1]]).sum(axis=1, dtype=np.uint64))


def mixed(sums: Hashes) -> Hashes:
    """Return sums with their low bits, which few bits of the input reach, mixed with the high."""
    sums = (sums ^ (sums >> _HALF)) * _MIX
    return sums ^ (sums >> _HALF)


@cache
def _powers(count: int) -> tuple[Hashes, Hashes]:
    """Return the powers of the base and of its inverse, from 0: 16 MB for a text of 1 MB."""
    factors = np.full((2, count), np.array([[_BASE], [_BASE_INVERSE]], np.uint64))
    factors[:, 0] = 1
    powers = np.cumprod(factors, axis=1, dtype=np.uint64)
    return powers[0], powers[1]


_MIN_LINES = 5
_CONTAINER = re.compile(
    rb"(?:(?:export|default|pub(?:\([a-z]+\))?|public|private|protected|abstract|final|static|sealed"
    rb"|declare|unsafe|template\s*<.*>)\s+)*"
    rb"(?:class|struct|interface|impl|namespace|trait|enum|mod|module|extern|union)\b"
)
_COMMENTS = (b"#", b"/", b"*")


def find_blocks(data: bytes) -> list[tuple[int, int]]:
    """Return a file's functions: the outermost indented blocks of five lines and more, in bytes.

    A block is a header line and all lines below it that are indented deeper. A parser would know
    functions better, but reads 5 MB/s, slower than all else that is done to a file before spans are
    drawn. To compare functions it is enough to find the same ones in both files.

    Blocks don't overlap: nested functions belong to the outermost. Classes, namespaces and traits
    are no blocks; their functions are. Comments and empty lines neither begin nor end a block.
    """
    lines = data.split(b"\n")
    codes = list(map(bytes.lstrip, lines))
    lengths = list(map(len, lines))
    # A tab counts as one: within a file it is the order of depths that matters.
    depths = list(map(operator.sub, lengths, map(len, codes)))
    spans: list[tuple[int, int]] = []  # first and last lines
    header, depth, last = 0, -1, 0  # the open block, and its header's depth
    for number, indent in enumerate(depths):
        if indent > depth >= 0:
            last = number
        elif (code := codes[number]) and not code.startswith(_COMMENTS):
            spans.append((header, last))
            header, last = number, number
            depth = -1 if _CONTAINER.match(code) else indent
    spans.append((header, last))
    ends = list(accumulate(lengths))  # line ends not counted: there is one a line
    return [
        (ends[first] - lengths[first] + first, ends[last] + last)
        for first, last in spans
        if last - first + 1 >= _MIN_LINES
    ]
