"""What the editor tests measure: held against a target, and kept for ``benchmarks/results/``."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Sequence
from pathlib import Path

_BUSY = 5
"""How much slower a shared machine may be before a measurement fails its test."""


def measured(name: str, editor: str, values: Sequence[float], *, target: float) -> None:
    """Hold a median against its target, with room for a busy machine.

    The median itself goes, as a line of JSON, to the file that ``FIMLS_EDITOR_NUMBERS`` names.

    Raises:
        AssertionError: it is far beyond the target.
    """
    median = statistics.median(values)
    if path := os.environ.get("FIMLS_EDITOR_NUMBERS"):
        line = {"name": name, "editor": editor, "median": round(median, 3), "target": target}
        with Path(path).open("a") as out:
            out.write(json.dumps({**line, "values": [round(one, 3) for one in values]}) + "\n")
    if median > _BUSY * target:
        raise AssertionError(f"{name} in {editor}: {median:.4g}, the target is {target:.4g}")
