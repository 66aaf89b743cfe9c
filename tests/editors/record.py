"""What the editor tests measure, for ``benchmarks/results/``: one JSON line each, where asked."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Sequence
from pathlib import Path


def record(name: str, editor: str, values: Sequence[float]) -> None:
    """Add a measurement to the file that ``FIMLS_EDITOR_NUMBERS`` names; without it do nothing."""
    if path := os.environ.get("FIMLS_EDITOR_NUMBERS"):
        rounded = [round(value, 3) for value in values]
        line = {"name": name, "editor": editor, "median": statistics.median(rounded)}
        with Path(path).open("a") as out:
            out.write(json.dumps({**line, "values": rounded}) + "\n")
