"""Files that are copies, or nearly, of one that was seen before.

Only hashes of a file are remembered, never its text. Near duplicates are found by MinHash (Broder
1997) over runs of five words, as in BigCode's corpora. rensa (Rust) computes the signatures: it
takes 0.04 ms for 128 slots of 10,000 hashes; datasketch 2.0 takes 8.6 ms, or 17 ms from words.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.corpus.files import Reason
from training.corpus.words import Hashes, Words, find_blocks, row_hashes, runs_of, words_of
from training.types import CorpusFile

Signatures = npt.NDArray[np.uint32]
"""(rows, slots): equal slots of two rows estimate the Jaccard similarity of their word runs."""

FILE_SLOTS = 128
FUNCTION_SLOTS = 64
_SEED = 1
_RUN_WORDS = 5
_MIN_FUNCTION_WORDS = 25
_FILE_BANDS = 16  # of 8 slots: at a similarity of .85 a pair is missed once in 360 times


@dataclass(frozen=True, slots=True)
class FunctionPrint:
    """A function in its file, ``text[start:end]`` in code points."""

    start: int
    end: int
    signature: bytes
    """64 uint32 in native order."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A file without its text."""

    repository: str
    path: str
    chars: int
    exact: bytes
    """A hash of the text without white space."""
    signature: bytes
    """128 uint32 in native order; b"" for a file of fewer than five words."""
    functions: tuple[FunctionPrint, ...]
    """Those that are long enough to tell apart, in order."""

    @property
    def key(self) -> str:
        """What names the file in the corpus."""
        return file_key(self.repository, self.path)


def file_key(repository: str, path: str) -> str:
    """Return what names a file in the corpus."""
    return f"{repository}/{path}"


def fingerprint(file: CorpusFile, words: Words | None = None) -> Fingerprint:
    """Return a file's fingerprint. words: the text's, where the caller has them."""
    words = words or words_of(file.text)
    data = words.data
    runs = runs_of(words.hashes, _RUN_WORDS)
    signature = _signatures([runs], FILE_SLOTS).tobytes() if len(runs) else b""
    found = _function_words(words)
    parts = [runs[first : last - _RUN_WORDS + 1] for _, first, last in found]
    offsets = _offsets(data, [edge for block, _, _ in found for edge in block])
    rows = _signatures(parts, FUNCTION_SLOTS)
    functions = tuple(
        FunctionPrint(start, end, row.tobytes())
        for start, end, row in zip(offsets[::2], offsets[1::2], rows, strict=True)
    )
    exact = hashlib.blake2b(data.translate(None, b" \t\r\n\f\v"), digest_size=16).digest()
    return Fingerprint(file.repository, file.path, len(file.text), exact, signature, functions)


def similarities(one: Signatures, other: Signatures) -> npt.NDArray[np.float64]:
    """Return the estimated Jaccard similarity of each row of one with the same row of the other."""
    equal: npt.NDArray[np.float64] = (one == other).mean(axis=1)
    return equal


class SignatureIndex:
    """Finds the signature that is most like another, by the hashes of bands of its slots (LSH).

    Ours, since rensa's ``RMinHashLSH`` takes ``RMinHash`` objects alone, and none can be made from
    a signature: neither from one that is on the disk, nor from a row of the matrix that rensa
    computes for all functions of a file at once.

    bands: how many, of all slots in equal parts; fewer and longer ones miss more.
    """

    def __init__(self, bands: int) -> None:
        self._bands = bands
        self._rows: list[npt.NDArray[np.uint32]] = []
        self._numbers: dict[int, list[int]] = {}

    def add(self, signatures: Signatures) -> None:
        """Add rows; they are numbered from 0 in the order in which they are added."""
        for row, keys in zip(signatures, self._keys(signatures), strict=True):
            for key in keys:
                self._numbers.setdefault(key, []).append(len(self._rows))
            self._rows.append(row)

    def nearest(self, signature: Signatures) -> tuple[int, float] | None:
        """Return the most similar row's number and its similarity to a signature, (1, slots).

        The first of several; None where no row has a band in common.
        """
        (keys,) = self._keys(signature)
        candidates = sorted({number for key in keys for number in self._numbers.get(key, ())})
        if not candidates:
            return None
        found = similarities(np.stack([self._rows[number] for number in candidates]), signature)
        best = int(found.argmax())
        return candidates[best], float(found[best])

    def _keys(self, signatures: Signatures) -> list[list[int]]:
        rows, slots = signatures.shape
        split = signatures.astype(np.uint64).reshape(rows * self._bands, slots // self._bands)
        bands = row_hashes(split).reshape(rows, self._bands).tolist()
        # A band's number is part of its key, or equal slots would meet across bands.
        return [[hash(key) for key in enumerate(row)] for row in bands]


def _function_words(words: Words) -> list[tuple[tuple[int, int], int, int]]:
    """The functions that are long enough, in bytes, and their first and last words."""
    blocks = find_blocks(words.data)
    edges = [edge for block in blocks for edge in block]
    bounds = np.searchsorted(words.starts, edges).tolist()
    return [
        (block, first, last)
        for block, first, last in zip(blocks, bounds[::2], bounds[1::2], strict=True)
        if last - first >= _MIN_FUNCTION_WORDS
    ]


def _signatures(rows: list[Hashes], slots: int) -> Signatures:
    if not rows:
        return np.zeros((0, slots), np.uint32)
    from rensa import RMinHash

    ends = np.cumsum([len(row) for row in rows])
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(
        np.concatenate(rows), [0, *ends.tolist()], slots, _SEED
    )
    return np.array(matrix.to_rows(), np.uint32)


def _offsets(data: bytes, edges: list[int]) -> list[int]:
    """Return how many code points there are before each of the bytes."""
    if data.isascii():
        return edges
    leads = (np.frombuffer(data, np.uint8) & 0xC0) != 0x80
    before: list[int] = np.concatenate(([0], np.cumsum(leads)))[edges].tolist()
    return before


class Duplicates:
    """Remembers files one by one and says which repeat an earlier one.

    The first of several copies is kept, so the answers depend on the order alone: any number of
    processes may compute fingerprints, and one adds them in the order of the corpus. A file takes
    about 2.5 KB, whatever its size: 160 MB of Python take 40 MB.

    threshold: the share of common word runs from which files are near duplicates.
    """

    def __init__(self, threshold: float = 0.85) -> None:
        self._threshold = threshold
        self._exact: dict[bytes, str] = {}
        self._near = SignatureIndex(_FILE_BANDS)
        self._keys: list[str] = []  # of the signatures

    def add(self, fingerprint: Fingerprint) -> tuple[Reason, str] | None:
        """Return how a file repeats an earlier one, and that file's key; else remember it."""
        earlier = self._exact.get(fingerprint.exact)
        if earlier is not None:
            return Reason.DUPLICATE, earlier
        if fingerprint.signature:
            signature = np.frombuffer(fingerprint.signature, np.uint32)[None, :]
            nearest = self._near.nearest(signature)
            if nearest is not None and nearest[1] >= self._threshold:
                return Reason.NEAR_DUPLICATE, self._keys[nearest[0]]
            self._near.add(signature)
            self._keys.append(fingerprint.key)
        self._exact[fingerprint.exact] = fingerprint.key
        return None
