"""Keeping the evaluation suites' solutions out of what is learnt.

A text is known by the hashes of its windows of six lines. Those of the suites are in a file beside
this one, which ``benchmarks/evaluation_windows.py`` makes; the suites' texts themselves are not
shipped: hashes can't leak into anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.corpus.words import VERSION, Hashes, Words, mixed, runs_of, words_of
from training.types import CorpusError

LINES = 6
"""Lines of a window; those without a word don't count."""

MIN_WORDS = 12
"""In a window, at least: with fewer it could be anybody's."""

_SHIPPED = Path(__file__).with_name("human-eval-infilling.bin")
_MAGIC = b"fimls windows %d\n" % VERSION


def window_hashes(words: Words) -> Hashes:
    """Return the hashes of a text's windows of six lines, in order.

    A line is its words: white space and punctuation don't make two lines differ.
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
            hint="make it again: python benchmarks/evaluation_windows.py",
        )
    return np.frombuffer(data[len(_MAGIC) :], "<u8").astype(np.uint64)


def write_windows(path: Path, hashes: Hashes) -> None:
    """Write hashes, sorted and each once."""
    path.write_bytes(_MAGIC + np.unique(hashes).astype("<u8").tobytes())


class Decontaminator:
    """Knows the windows of the shipped suite, and those of further texts. Picklable, 20 KB."""

    def __init__(self, texts: Iterable[str] = (), *, shipped: bool = True) -> None:
        """Hash the texts.

        texts: further ones that nobody may learn from.
        shipped: whether HumanEval-infilling's windows are among them.

        Raises:
            CorpusError: the shipped file is damaged.
        """
        parts = [window_hashes(words_of(text)) for text in texts]
        if shipped:
            parts.append(read_windows(_SHIPPED))
        self._windows = np.unique(np.concatenate([np.zeros(0, np.uint64), *parts]))

    def __len__(self) -> int:
        """How many windows there are."""
        return len(self._windows)

    def holds(self, text: str | Words) -> bool:
        """Whether the words of six lines in a row are in a suite too."""
        hashes = window_hashes(words_of(text) if isinstance(text, str) else text)
        return bool(are_among(hashes, self._windows).any())
