"""The report as one page without scripts or anything from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fimls.report.page import render_page
from training.types import FimExample

_TEMPLATE = Path(__file__).with_name("report.html.jinja")
_MEGABYTE = 1_000_000
_REPOSITORIES_MAX = 200
_PREFIX_CHARS, _SUFFIX_CHARS = 900, 400
_MIDDLES = ("examples", "median_chars", "p90_chars", "max_chars")

Counts = Mapping[str, Mapping[str, int]]
"""Files and bytes by a name."""


def render(report: Mapping[str, Any], examples: Sequence[FimExample]) -> str:
    """The page of a report's numbers and a few examples."""
    repositories = report["repositories"]
    splits: Mapping[str, Any] = report["splits"]
    return render_page(
        _TEMPLATE,
        report=report,
        lost=sum(one["files"] for one in report["dropped"].values()),
        splits=[
            [name, one["files"], one["examples"]]
            for name, one in splits.items()
            if isinstance(one, dict)
        ],
        kinds=[[kind, *(one[name] for name in _MIDDLES)] for kind, one in report["kinds"].items()],
        repositories=list(map(_repository, repositories[:_REPOSITORIES_MAX])),
        more=len(repositories) - _REPOSITORIES_MAX,
        examples=[(example, *_around(example)) for example in examples],
        size=_size,
        sizes=_sizes,
    )


def _sizes(counts: Counts) -> list[list[object]]:
    return [[name, one["files"], _size(one["bytes"])] for name, one in counts.items()]


def _repository(one: Mapping[str, Any]) -> list[object]:
    dropped = (f"{count['files']:,} {reason}" for reason, count in one["dropped"].items())
    kept = one["kept"]
    return [
        *(one["name"], one["commit"][:12], one["licence"] or "none"),
        *(kept["files"], _size(kept["bytes"]), ", ".join(dropped)),
    ]


def _around(example: FimExample) -> tuple[str, str]:
    """The code to show before an example's middle, from the start of a line, and after it."""
    text, span = example.file.text, example.span
    start = max(0, span.start - _PREFIX_CHARS)
    start = text.find("\n", start, span.start) + 1 if start else 0
    return text[start : span.start], text[span.end : span.end + _SUFFIX_CHARS]


def _size(size_bytes: int) -> str:
    return f"{size_bytes / _MEGABYTE:,.2f} MB"
