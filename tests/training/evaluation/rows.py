"""Items and rows for tests of what reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training.evaluation.suites.base import Item, Skipped


def make_row(name: str, **fields: Any) -> dict[str, Any]:
    """Return a row as a run writes it: a right answer, where nothing else is said."""
    row: dict[str, Any] = {
        "id": name,
        "cluster": name,
        "kind": "whole line",
        "language": "python",
        "snippets": 0,
        "texts": ["x = 1"],
        "suppressed": None,
        "finish_reason": "stop",
        "stopped": None,
        "generated_tokens": 4,
        "prompt_tokens": 100,
        "confidence": 0.9,
        "exact": True,
        "first_line": True,
        "similarity": 1.0,
        "identifier_f1": 1.0,
        "parses": True,
        "saved_characters": 5,
        "reference_characters": 5,
        "passed": [],
        "detail": "",
        "times": {"ttft_ms": 10.0, "total_ms": 20.0, "scored_ms": 1.0},
    }
    return {**row, **fields}


def make_item(name: str = "a", **fields: Any) -> Item:
    """Return an item: ``x = 1`` is missing between two lines."""
    values: dict[str, Any] = {
        "id": name,
        "cluster": name,
        "kind": "whole line",
        "path": "a.py",
        "language_id": "python",
        "prefix": "import os\n",
        "suffix": "\nprint(x)\n",
        "reference": "x = 1",
    }
    return Item(**{**values, **fields})


class ListSuite:
    """A suite of given records."""

    version = "1"
    sources: Path | None = None

    def __init__(self, *records: Item | Skipped, name: str = "list") -> None:
        self.name = name
        self._records = records

    def items(self) -> Any:
        """Yield them."""
        yield from self._records
