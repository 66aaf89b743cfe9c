"""Windows of six lines as numbers, and files of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.corpus.words import VERSION, Hashes, Words, mixed, runs_of
from training.types import CorpusError

LINES = 6
"""Lines of a window; those without a word don't count."""

MIN_WORDS = 12
"""Words that a window needs to be somebody's rather than anybody's."""

_MAGIC = b"fimls windows %d\n" % VERSION


def window_hashes(words: Words) -> Hashes:
    """Return the hashes of a text's windows of six lines, in order.

    A line is its words: neither white space nor punctuation makes two lines differ.
    """
    ends = np.flatnonzero(np.frombuffer(words.data, np.uint8) == ord("\n"))
    lines = np.searchsorted(ends, words.starts)  # of each word
    if not len(lines):
        return np.zeros(0, np.uint64)
    firsts = np.flatnonzero(np.diff(lines, prepend=-1))
    counts = np.diff(firsts, append=len(lines))
    places = np.arange(len(lines)) - np.repeat(firsts, counts)
    # A word's place must matter: mixed with it, the words of a line can simply be added.
    placed = mixed(words.hashes + places.astype(np.uint64))
    windows = runs_of(np.add.reduceat(placed, firsts), LINES)
    words_of_windows = np.convolve(counts, np.ones(LINES, np.int64), "valid")
    return windows[words_of_windows[: len(windows)] >= MIN_WORDS]


def are_among(hashes: Hashes, known: Hashes) -> npt.NDArray[np.bool_]:
    """Whether each hash is one of ``known``, which is sorted. np.isin would sort millions again."""
    if not len(known):
        return np.zeros(len(hashes), bool)
    places = np.searchsorted(known, hashes).clip(max=len(known) - 1)
    found: npt.NDArray[np.bool_] = known[places] == hashes
    return found


def read_windows(path: Path) -> Hashes:
    """Read a file of hashes.

    Raises:
        CorpusError: it is none, or was made with other hashes.
    """
    data = path.read_bytes()
    if not data.startswith(_MAGIC) or (len(data) - len(_MAGIC)) % 8:
        raise CorpusError(
            f"{path} holds no hashes of this version",
            hint="make it again: python -m training.corpus.decontamination.build",
        )
    return np.frombuffer(data[len(_MAGIC) :], "<u8").astype(np.uint64)


def write_windows(path: Path, hashes: Hashes) -> None:
    """Write hashes, sorted and each once."""
    path.write_bytes(_MAGIC + np.unique(hashes).astype("<u8").tobytes())
