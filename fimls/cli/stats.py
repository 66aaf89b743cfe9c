"""``fimls stats``: what was shown, taken and kept on this machine."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from fimls.feedback import GROUPS, FeedbackStore, Line, Suggestion, summarize
from fimls.types import StoreError

_DAY_S = 86_400
_HEADINGS = (
    "shown", "taken", "whole", "in part", "chars", "kept", "30 s", "2 min", "10 min", "p50 ms",
    "p95 ms",
)  # fmt: skip


def run(*, days: int, by: str, output: Path | None, as_json: bool, clear: bool) -> None:
    """Print the statistics, or write a page, or delete them."""
    store = FeedbackStore()
    if clear:
        store.clear()
        print("deleted")
        return
    suggestions = store.read(time.time() - days * _DAY_S)
    if as_json:
        print(json.dumps(_as_json(suggestions, days)))
        return
    if not suggestions:
        print(f"nothing was suggested in the last {days} days")
        return
    console = Console(highlight=False)
    for group in (by,) if by else ("", *GROUPS):
        console.print(_table(group, summarize(suggestions, group)))
    if output is not None:
        try:
            output.write_text(_page(suggestions, days), encoding="utf-8")
        except OSError as error:
            raise StoreError(
                f"{output} can't be written: {error.strerror}", hint="name another file"
            ) from error
        console.print(f"written: {output}")


def _as_json(suggestions: list[Suggestion], days: int) -> dict[str, object]:
    groups = {name: summarize(suggestions, name) for name in GROUPS}
    return {
        "days": days,
        "all": [asdict(line) for line in summarize(suggestions)],
        **{name: [asdict(line) for line in lines] for name, lines in groups.items()},
    }


def _table(group: str, lines: list[Line]) -> Table:
    """A table for a terminal of 80 columns; only the page divides taken into whole and part."""
    table = Table(box=None, padding=(0, 1), pad_edge=False)
    table.add_column(group, overflow="fold", min_width=10)
    for heading in (*_HEADINGS[:2], *_HEADINGS[4:]):
        table.add_column(heading, justify="right", no_wrap=True)
    for line in lines:
        name, shown, taken, _, _, *others = _cells(line)
        table.add_row(name, shown, taken, *others)
    return table


def _page(suggestions: list[Suggestion], days: int) -> str:
    """Return the page with tables and plots."""
    from fimls.report import plots
    from fimls.report.page import render_page

    taken = {
        line.name: {"value": line.acceptance, "low": None, "high": None}
        for line in summarize(suggestions, "day")
        if line.acceptance is not None
    }
    latency = {
        line.name: [one.latency_ms for one in suggestions if one.language == line.name]
        for line in summarize(suggestions, "language")[: len(plots.COLOURS)]
    }
    return render_page(
        Path(__file__).with_name("stats.html.jinja"),
        days=days,
        headings=list(_HEADINGS),
        groups={name: list(map(_cells, summarize(suggestions, name))) for name in ("", *GROUPS)},
        taken=plots.bars(taken),
        latency=plots.distribution(latency, "ms"),
    )


def _cells(line: Line) -> list[str]:
    """One line of a table, as text."""
    return [
        line.name,
        str(line.shown),
        _percent(line.acceptance),
        str(line.accepted),
        str(line.partly),
        f"{line.accepted_characters:,}",
        f"{line.kept_characters:,}",
        *map(_percent, line.kept),
        _whole(line.latency_p50_ms),
        _whole(line.latency_p95_ms),
    ]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _whole(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
