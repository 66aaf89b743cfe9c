"""Whether a text holds a piece of an evaluation suite."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from training.corpus.decontamination.windows import are_among, read_windows, window_hashes
from training.corpus.words import Words, words_of


class Decontaminator:
    """Knows the windows of the shipped suites, and those of further texts. Picklable, 20 KB."""

    def __init__(self, texts: Iterable[str] = (), *, shipped: bool = True) -> None:
        """texts: further ones that nobody may learn from. shipped: with the suites of the package.

        Raises:
            CorpusError: a shipped file is damaged.
        """
        parts = [window_hashes(words_of(text)) for text in texts]
        if shipped:
            parts += [read_windows(path) for path in sorted(Path(__file__).parent.glob("*.bin"))]
        self._windows = np.unique(np.concatenate([np.zeros(0, np.uint64), *parts]))

    def __len__(self) -> int:
        """How many windows there are."""
        return len(self._windows)

    def holds(self, text: str | Words) -> bool:
        """Whether the words of six lines in a row stand in a suite too."""
        hashes = window_hashes(words_of(text) if isinstance(text, str) else text)
        return bool(are_among(hashes, self._windows).any())
