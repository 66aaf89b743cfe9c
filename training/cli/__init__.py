"""The commands that training adds to ``fimls``: arguments only; the work is done elsewhere."""

from __future__ import annotations

import typer


def add_commands(app: typer.Typer) -> None:
    """Add ``prepare``, ``train``, ``export``, ``eval`` and ``adapters`` to the application."""
    del app
