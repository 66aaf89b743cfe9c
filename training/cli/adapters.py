"""``fimls adapters``: the adapters kept here, those that come with fimls, and which one serves."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fimls.store.adapters import Promotion

_HASH_CHARACTERS = 12
_Name = Annotated[str | None, typer.Option("--name", help="Register it under another name.")]

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_adapters(*, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """List the registered adapters."""
    from rich.console import Console
    from rich.table import Table

    from fimls.store.adapters import AdapterRegistry

    adapters = AdapterRegistry().list()
    if as_json:
        rows = [
            {
                "name": one.name,
                "base": one.base,
                "base_sha256": one.base_sha256,
                "promoted": one.promoted,
                "shipped": one.shipped,
                "folder": str(one.folder),
            }
            for one in adapters
        ]
        print(json.dumps(rows, ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("adapter", "base", "base SHA-256", "serves", ""):
        table.add_column(column, no_wrap=True)
    for one in adapters:
        table.add_row(
            one.name,
            one.base,
            one.base_sha256[:_HASH_CHARACTERS],
            "yes" if one.promoted else "",
            "comes with fimls" if one.shipped else "",
        )
    if adapters:
        Console().print(table)
    if all(one.shipped for one in adapters):
        print("none of your own yet: `fimls train`, then `fimls adapters add`", file=sys.stderr)


@app.command()
def add(folder: Path, *, name: _Name = None) -> None:
    """Keep a copy of an adapter here, under a name."""
    from fimls.store.adapters import AdapterRegistry

    added = AdapterRegistry().add(folder, name)
    print(f"{added.name}, for {added.base}: {added.folder}")


@app.command()
def remove(name: str) -> None:
    """Delete a registered adapter."""
    from fimls.store.adapters import AdapterRegistry

    AdapterRegistry().remove(name)
    print(f"{name} is removed")


@app.command()
def promote(adapter: str, *, name: _Name = None) -> None:
    """Serve with an adapter from now on; running servers follow."""
    from fimls.store import adapters

    _print(adapters.promote(adapter, name=name))


@app.command()
def rollback(base: Annotated[str | None, typer.Argument(help="The base model.")] = None) -> None:
    """Serve again with what served before."""
    from fimls.store.adapters import AdapterRegistry

    _print(AdapterRegistry().rollback(base))


def _print(promotion: Promotion) -> None:
    now, before = (name or "the base alone" for name in (promotion.name, promotion.before))
    print(f"{promotion.base} is served with {now} (before: {before})")
