"""What the editor tests measure: held against a target, and kept for ``benchmarks/results/``."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Sequence
from pathlib import Path

_BUSY = 5
"""How much slower a shared machine may be before a measurement fails its test."""

_STOLEN = 0.1
"""The share of processor time that the host may give to others while something is judged."""

_STAT = Path("/proc/stat")


class ProcessorTime:
    """Where the processors' time goes from now on."""

    def __init__(self) -> None:
        self._began = _stolen_and_all()

    def stolen(self) -> float:
        """The share that the host gave to other virtual machines; 0 where nothing tells."""
        stolen, total = (
            now - then for now, then in zip(_stolen_and_all(), self._began, strict=True)
        )
        return stolen / total if total else 0.0


def _stolen_and_all() -> tuple[int, int]:
    """In ticks, since the machine's start (proc_stat(5): the eighth number is "steal")."""
    if not _STAT.exists():
        return 0, 0
    ticks = [int(word) for word in _STAT.read_text("ascii").split("\n", 1)[0].split()[1:9]]
    return ticks[7], sum(ticks)


def measured(
    name: str, editor: str, values: Sequence[float], *, target: float, since: ProcessorTime
) -> None:
    """Hold a median against its target, with room for a busy machine.

    The median itself goes, as a line of JSON, to the file that ``FIMLS_EDITOR_NUMBERS`` names.
    since: a clock that was started before the values were measured. Where the host took too much of
    that time from this machine, nothing is judged, and the line says how much.

    Raises:
        AssertionError: it is far beyond the target.
    """
    median, stolen = statistics.median(values), since.stolen()
    if path := os.environ.get("FIMLS_EDITOR_NUMBERS"):
        line = {
            "name": name,
            "editor": editor,
            "median": round(median, 3),
            "target": target,
            "stolen": round(stolen, 3),
            "values": [round(one, 3) for one in values],
        }
        with Path(path).open("a") as out:
            out.write(json.dumps(line) + "\n")
    if median > _BUSY * target and stolen <= _STOLEN:
        raise AssertionError(f"{name} in {editor}: {median:.4g}, the target is {target:.4g}")
