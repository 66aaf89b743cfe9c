"""Files that are copies, or nearly, of one that was seen before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.corpus.files import Reason
from training.corpus.fingerprints import Fingerprint, band_hashes, similarities

_BANDS = 16  # of 8 slots: at a similarity of .85 a pair is missed once in 360 times


@dataclass(frozen=True, slots=True)
class Duplicate:
    """What a file repeats. key: the earlier file's. similarity: estimated, 1 for an exact copy."""

    key: str
    reason: Reason
    similarity: float


class Duplicates:
    """Remembers files one by one and says which repeat an earlier one.

    The first of several copies is kept, so the answer depends on the order alone, which is the
    caller's: fingerprints may be made by any number of processes, and are added in the order of the
    corpus. Takes about 2.5 KB a file (160 MB of Python: 40 MB), whatever its size.

    threshold: the share of common word runs from which files are near duplicates.
    """

    def __init__(self, threshold: float = 0.85) -> None:
        self._threshold = threshold
        self._exact: dict[bytes, str] = {}
        self._bands: dict[int, list[int]] = {}
        self._kept: list[tuple[str, bytes]] = []

    def add(self, fingerprint: Fingerprint) -> Duplicate | None:
        """Return what a file repeats; where that is nothing, remember the file and return None."""
        earlier = self._exact.get(fingerprint.exact)
        if earlier is not None:
            return Duplicate(earlier, Reason.DUPLICATE, 1.0)
        signature = np.frombuffer(fingerprint.signature, np.uint32)[None, :]
        bands = band_hashes(signature, _BANDS)[0].tolist() if fingerprint.signature else []
        # A band's number is part of its key, or equal slots would meet across bands.
        keys = [hash((place, band)) for place, band in enumerate(bands)]
        candidates = sorted({number for key in keys for number in self._bands.get(key, ())})
        if candidates:
            others = b"".join(self._kept[number][1] for number in candidates)
            rows = np.frombuffer(others, np.uint32).reshape(len(candidates), -1)
            found = similarities(rows, signature)
            best = int(found.argmax())
            if found[best] >= self._threshold:
                return Duplicate(
                    self._kept[candidates[best]][0], Reason.NEAR_DUPLICATE, float(found[best])
                )
        self._exact[fingerprint.exact] = fingerprint.key
        if keys:
            self._kept.append((fingerprint.key, fingerprint.signature))
            for key in keys:
                self._bands.setdefault(key, []).append(len(self._kept) - 1)
        return None
