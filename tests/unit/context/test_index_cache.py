"""Indexes that nobody uses any more."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from fimls.context.cache import UNUSED_S, mark_used, remove_unused
from fimls.context.indexer import Indexer, database_path
from tests.unit.context.workspaces import write

LONG_AGO_S = UNUSED_S + 60


def made(database: Path, age_s: float) -> None:
    """Write an index's files, used for the last time so long ago."""
    for name in (database.name, f"{database.name}-wal", f"{database.name}.lock"):
        path = database.with_name(name)
        path.write_bytes(b"")
        os.utime(path, (time.time() - age_s,) * 2)


def test_what_is_out_of_use_is_deleted(tmp_path: Path) -> None:
    """With all of its files; what was used lately stays, and so does what is no index."""
    old, new = tmp_path / "old.sqlite", tmp_path / "new.sqlite"
    made(old, LONG_AGO_S)
    made(new, UNUSED_S - 3600)
    other = tmp_path / "other.json"
    made(other, LONG_AGO_S)
    kept = {path.name for path in tmp_path.iterdir() if "old" not in path.name}
    remove_unused(tmp_path)
    assert kept == {path.name for path in tmp_path.iterdir()}


def test_marked_as_used(tmp_path: Path) -> None:
    """A mark counts as use; marking what was deleted meanwhile does nothing."""
    database = tmp_path / "x.sqlite"
    made(database, LONG_AGO_S)
    mark_used(database)
    remove_unused(tmp_path)
    assert database.exists()
    database.unlink()
    mark_used(database)
    assert not database.exists()


async def test_a_start_cleans_up(tmp_path: Path) -> None:
    """The indexer deletes other workspaces' old indexes, and keeps its own however old it is."""
    write(tmp_path / "workspace", {"a.py": "first = 1\n"})
    database = database_path(tmp_path / "workspace", tmp_path / "cache")
    other = database.with_name("0.sqlite")
    await indexed(tmp_path / "workspace", database)
    made(other, LONG_AGO_S)
    os.utime(database, (time.time() - LONG_AGO_S,) * 2)
    await indexed(tmp_path / "workspace", database)
    assert (True, False) == (database.exists(), other.exists())
    assert time.time() - database.stat().st_mtime == pytest.approx(0, abs=60)


async def indexed(folder: Path, database: Path) -> None:
    """Have a folder indexed once."""
    indexer = Indexer(folder, database)
    await indexer.start()
    await indexer.idle()
    await indexer.aclose()
