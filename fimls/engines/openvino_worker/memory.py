"""Memory that the operating system can have back."""

from __future__ import annotations

import ctypes
from pathlib import Path

_MADV_DONTNEED = 4


def release_mapped_weights() -> None:
    """Give back the pages of the weight file: the engine computes on a packed copy.

    Half of the resident memory of a small model is its mapped file, read once. The mapping stays
    valid: pages come back from the file if something reads them. Linux only.
    """
    maps = Path("/proc/self/maps")
    if not maps.exists():
        return
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for line in maps.read_text(encoding="utf-8").splitlines():
        span, access, *_ = line.split()
        if line.endswith("openvino_model.bin") and "w" not in access:
            start, end = (int(address, 16) for address in span.split("-"))
            madvise(start, end - start, _MADV_DONTNEED)
