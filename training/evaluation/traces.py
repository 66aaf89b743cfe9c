"""Whether code was trained on, by what training leaves beside an adapter: hashes, never the code.

::

    training_windows.bin     of every six consecutive lines, as decontamination has them
    training_functions.bin   of every function, signatures that near duplicates share (MinHash)

Whoever holds them can ask whether a given text was trained on, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.corpus.decontamination import (
    LINES,
    are_among,
    read_windows,
    window_hashes,
    write_windows,
)
from training.corpus.duplicates import (
    FUNCTION_SLOTS,
    Fingerprint,
    SignatureIndex,
    fingerprint,
)
from training.corpus.splits import SAME_FUNCTION
from training.corpus.words import VERSION, Hashes, words_of
from training.evaluation.suites.base import Item
from training.types import CorpusError, CorpusFile, EvaluationError

WINDOWS, FUNCTIONS = "training_windows.bin", "training_functions.bin"

_MAGIC = b"fimls functions %d\n" % VERSION
_BANDS = 16

Signatures = npt.NDArray[np.uint32]


_WORD = re.compile(r"\w")  # lines without a word don't count in a window


@dataclass(frozen=True)
class Traces:
    """What an adapter, or several, were trained on."""

    windows: Hashes
    """Sorted hashes."""
    functions: Signatures
    """[functions, 64]."""

    @classmethod
    def of(cls, files: Iterable[CorpusFile]) -> Traces:
        """Compute them from the files that were trained on."""
        windows: list[Hashes] = [np.zeros(0, np.uint64)]
        functions: list[bytes] = []
        for file in files:
            words = words_of(file.text)
            windows.append(window_hashes(words))
            functions += [one.signature for one in fingerprint(file, words).functions]
        return cls(np.unique(np.concatenate(windows)), _rows(b"".join(functions)))

    @classmethod
    def joined(cls, traces: Sequence[Traces]) -> Traces:
        """Join those of several adapters; at least one."""
        windows = np.unique(np.concatenate([one.windows for one in traces]))
        return cls(windows, np.concatenate([one.functions for one in traces]))

    @classmethod
    def read(cls, folder: Path) -> Traces | None:
        """Read an adapter's; None where its training left none.

        Raises:
            EvaluationError: they are damaged, or of another version.
        """
        try:
            data = (folder / FUNCTIONS).read_bytes()
            windows = read_windows(folder / WINDOWS)
        except FileNotFoundError:
            return None
        except (OSError, CorpusError) as error:
            raise EvaluationError(f"can't read the traces in {folder}: {error}") from error
        if not data.startswith(_MAGIC) or (len(data) - len(_MAGIC)) % (4 * FUNCTION_SLOTS):
            raise EvaluationError(
                f"{folder / FUNCTIONS} holds no signatures of this version",
                hint="train the adapter again with this version",
            )
        return cls(windows, _rows(data[len(_MAGIC) :]))

    def write(self, folder: Path) -> None:
        """Write them beside an adapter."""
        write_windows(folder / WINDOWS, self.windows)
        (folder / FUNCTIONS).write_bytes(_MAGIC + self.functions.astype("<u4").tobytes())

    def knows(self, text: str) -> npt.NDArray[np.bool_]:
        """Whether each window of six lines of a text, in order, was trained on.

        Windows with too little in them to tell are left out.
        """
        return are_among(window_hashes(words_of(text)), self.windows)

    def longest_run(self, text: str) -> int:
        """Return how many lines in a row of a text were trained on, 0 if fewer than six."""
        longest = run = 0
        for known in self.knows(text).tolist():
            run = run + 1 if known else 0
            longest = max(longest, run)
        return longest + LINES - 1 if longest else 0

    def similar_function(self, signature: bytes) -> float:
        """Return the largest similarity of a function to one that was trained on, 0 to 1; what is
        less than :data:`SAME_FUNCTION` may be missed.
        """
        nearest = self._index.nearest(_rows(signature))
        return nearest[1] if nearest else 0.0

    def leak(self, item: Item) -> str:
        """Why an item may not be used, "" if it may.

        Looks at the six-line windows that touch the hole, and at the functions around it.
        """
        if self.knows(_around(item)).any():
            return "six lines around the hole were trained on"
        text = item.prefix + item.reference + item.suffix
        start = len(item.prefix)
        end = start + len(item.reference)
        around = [
            one.signature
            for one in _fingerprint(text, item.language_id).functions
            if one.start <= end and start <= one.end
        ]
        similarity = max(map(self.similar_function, around), default=0.0)
        if similarity >= SAME_FUNCTION:
            return f"a function {similarity:.0%} like the one around the hole was trained on"
        return ""

    @cached_property
    def _index(self) -> SignatureIndex:
        index = SignatureIndex(_BANDS)
        index.add(self.functions)
        return index


def _rows(data: bytes) -> Signatures:
    return np.frombuffer(data, np.uint32).reshape(-1, FUNCTION_SLOTS)


def _around(item: Item) -> str:
    """Return the hole's lines and the five before and after it: every window of them has a
    line of the hole.
    """
    before, hole = item.prefix.count("\n"), item.reference.rstrip("\n").count("\n") + 1
    lines = (item.prefix + item.reference + item.suffix).split("\n")
    above = [line for line in lines[:before] if _WORD.search(line)][-(LINES - 1) :]
    below = [line for line in lines[before + hole :] if _WORD.search(line)][: LINES - 1]
    return "\n".join([*above, *lines[before : before + hole], *below])


@lru_cache(maxsize=4)  # a file's items come one after the other
def _fingerprint(text: str, language_id: str) -> Fingerprint:
    return fingerprint(CorpusFile("", "", "", language_id, "", text))
