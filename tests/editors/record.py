"""What the editor tests measure: kept for ``benchmarks/editors.py``, judged by no test."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Sequence
from pathlib import Path

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
    """Add the values, their median and what it should be, as a line of JSON, to the file that
    ``FIMLS_EDITOR_NUMBERS`` names, if it names one.

    since: a clock that was started before the values were measured; the line says how much of that
    time the host took from this machine.
    """
    if path := os.environ.get("FIMLS_EDITOR_NUMBERS"):
        line = {
            "name": name,
            "editor": editor,
            "median": round(statistics.median(values), 3),
            "target": target,
            "stolen": round(since.stolen(), 3),
            "values": [round(one, 3) for one in values],
        }
        with Path(path).open("a") as out:
            out.write(json.dumps(line) + "\n")
