"""A report's figures as the cells of tables, and its tables as text, Markdown and one HTML page.

A report's template extends ``page.html.jinja``, the frame and its style, and takes the macro
``table`` from ``tables.html.jinja``. The page needs nothing from anywhere: no scripts, no other
files. All values are escaped; plots are marked ``safe``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent

Table = tuple[Sequence[str], Sequence[Sequence[str]]]
"""Headings and rows."""

Interval = Mapping[str, Any]
"""``Figure.as_json()``: value, low and high; None where nothing is known."""


def number(value: float | None) -> str:
    """Return it without decimals."""
    return "-" if value is None else f"{value:,.0f}"


def short(value: float | None) -> str:
    """Return it with three digits, or without decimals."""
    return "-" if value is None else f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"


def percent(value: float | None) -> str:
    """Return a share as a percentage."""
    return "-" if value is None else f"{value:.1%}"


def share(figure: Interval) -> str:
    """Return a share and its interval as percentages."""
    return _bracketed(figure, percent)


def interval(figure: Interval) -> str:
    """Return a number and its interval."""
    return _bracketed(figure, short)


def print_table(table: Table) -> None:
    """Print a table on standard error."""
    from rich.console import Console
    from rich.table import Table as TerminalTable

    headings, rows = table
    shown = TerminalTable(*headings)
    for row in rows:
        shown.add_row(*row)
    Console(stderr=True, highlight=False).print(shown)


def markdown(table: Table) -> str:
    """Return a table in Markdown."""
    headings, rows = table
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(map(_escaped, line))} |" for line in lines)


def render_page(template: Path, **values: object) -> str:
    """Return the page that a template makes of values; a value that it lacks is an error."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([template.parent, _HERE]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template.name).render(**values)


def _bracketed(figure: Interval, show: Callable[[float | None], str]) -> str:
    """Return ``value [low, high]``, or the value alone."""
    if figure["low"] is None:
        return show(figure["value"])
    return f"{show(figure['value'])} [{show(figure['low'])}, {show(figure['high'])}]"


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ")
