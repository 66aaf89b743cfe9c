"""``fimls adapters``: the adapters kept here, those that come with fimls, and which one serves."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from fimls.store.adapters import AdapterRegistry, Promotion, promote

_HASH_CHARACTERS = 12


def list_adapters(*, as_json: bool) -> None:
    """Print every adapter, its base, and whether it serves."""
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


def add(folder: Path, name: str | None) -> None:
    """Copy an adapter into the registry."""
    added = AdapterRegistry().add(folder, name)
    print(f"{added.name}, for {added.base}: {added.folder}")


def remove(name: str) -> None:
    """Delete an adapter from the registry."""
    AdapterRegistry().remove(name)
    print(f"{name} is removed")


def promote_adapter(adapter: str, name: str | None) -> None:
    """Let an adapter serve; a folder is added first."""
    _print(promote(adapter, name=name))


def rollback(base: str | None) -> None:
    """Let what served before serve again."""
    _print(AdapterRegistry().rollback(base))


def _print(promotion: Promotion) -> None:
    now, before = (name or "the base alone" for name in (promotion.name, promotion.before))
    print(f"{promotion.base} is served with {now} (before: {before})")
