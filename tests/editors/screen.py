"""What Neovim draws, as a picture: its grid of cells (``:help ui-linegrid``) as a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

Cell = tuple[str, int]

_STYLE = "margin:0;padding:10px;display:inline-block;font:15px/1.35 'DejaVu Sans Mono',monospace"


class Grid:
    """Cells, each a text and the number of its highlighting, kept up to date by redraw events."""

    def __init__(self) -> None:
        self._rows: list[list[Cell]] = []
        self._looks: dict[int, dict[str, Any]] = {}
        self._ink, self._paper = 0, 0xFFFFFF

    def redraw(self, events: Iterable[Sequence[Any]]) -> None:
        """Follow a ``redraw`` notification: events, each a name and the arguments of its calls."""
        for name, *calls in events:
            for call in calls:
                self._follow(name, call)

    def _follow(self, name: str, call: Sequence[Any]) -> None:
        if name == "default_colors_set":
            self._ink, self._paper = call[0], call[1]
        elif name == "hl_attr_define":
            self._looks[call[0]] = call[1]
        elif name == "grid_resize":
            self._rows = [[(" ", 0)] * call[1] for _ in range(call[2])]
        elif name == "grid_clear":
            self._rows = [[(" ", 0)] * len(row) for row in self._rows]
        elif name == "grid_line":
            _, row, column, cells, *_ = call
            look = 0
            for text, *more in cells:
                look = more[0] if more else look
                count = more[1] if len(more) > 1 else 1
                self._rows[row][column : column + count] = [(text, look)] * count
                column += count

    def page(self) -> str:
        """The cells as HTML."""
        lines = ("".join(map(self._span, row)) for row in self._rows)
        style = f"{_STYLE};color:#{self._ink:06x};background:#{self._paper:06x}"
        return f'<body style="margin:0"><pre style="{style}">' + "\n".join(lines) + "</pre>"

    def _span(self, cell: Cell) -> str:
        text, number = cell
        look = self._looks.get(number, {})
        ink, paper = look.get("foreground", self._ink), look.get("background", self._paper)
        if look.get("reverse"):
            ink, paper = paper, ink
        style = f"color:#{ink:06x};background:#{paper:06x}"
        style += ";font-weight:bold" if look.get("bold") else ""
        style += ";font-style:italic" if look.get("italic") else ""
        return f'<span style="{style}">{escape(text)}</span>'


def write_picture(grid: Grid, chromium: str, path: Path) -> None:
    """Draw a grid with Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_content(grid.page())
        page.locator("pre").screenshot(path=str(path))
        browser.close()
