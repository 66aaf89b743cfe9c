"""The folder of all workspaces' indexes: which of them nobody has used for long."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from fimls.context.index_writer import delete_database

UNUSED_S = 30 * 24 * 3600.0
"""A workspace that no server has looked through for so long is forgotten; it is read anew."""


def mark_used(database: Path) -> None:
    """Note that an index is in use: nothing may be written to it for weeks."""
    with contextlib.suppress(FileNotFoundError):  # deleted meanwhile: the next write finds out
        os.utime(database)


def remove_unused(folder: Path) -> None:
    """Delete the indexes in a folder that are out of use."""
    oldest_s = time.time() - UNUSED_S
    for database in folder.glob("*.sqlite"):
        # Another server's process may be doing the same, or the file be somebody else's.
        with contextlib.suppress(FileNotFoundError, PermissionError):
            if database.stat().st_mtime < oldest_s:
                delete_database(database)
                database.with_name(f"{database.name}.lock").unlink(missing_ok=True)
