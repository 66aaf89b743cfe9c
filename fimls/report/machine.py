"""What a reader must know of a machine to compare speeds, and how much memory processes use."""

from __future__ import annotations

import contextlib
import os
import platform
from pathlib import Path

import psutil

# Processors of one name differ by a factor of five in these, and virtual machines hide the name.
_OF_MATRIX_PRODUCTS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")


def machine_facts() -> dict[str, object]:
    """Return the processor and its instructions, its cores, the system and Python's version."""
    described = _description()
    flags = described.get("flags", "").split()
    return {
        "processor": described.get("model name") or platform.processor() or platform.machine(),
        "instructions": [name for name in _OF_MATRIX_PRODUCTS if name in flags],
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def resident_bytes(pid: int) -> int | None:
    """Return the resident memory of a process and all its descendants; None if it has ended.

    Pages that they share are counted for each: an upper bound.
    """
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return None
    total = 0
    for one in family:
        with contextlib.suppress(psutil.Error):  # it has ended meanwhile
            total += one.memory_info().rss
    return total


def _description() -> dict[str, str]:
    """The first processor as Linux describes it (proc_cpuinfo(5)); {} elsewhere.

    psutil names neither the model nor its instructions.
    """
    try:
        first, _, _ = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")
    except OSError:
        return {}
    lines = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in lines}
