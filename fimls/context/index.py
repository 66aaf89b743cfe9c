"""The index of a workspace: what lies where, for the files that aren't open. The side that reads.

An SQLite database for each workspace folder, which the process of
:class:`fimls.context.indexer.Indexer` keeps up to date. Write-ahead logging lets readers go on while it writes. A file has a row; so has each
name in it and each name it defines; its windows of lines are rows of a full-text index (FTS5),
which ranks them by BM25.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from fimls.context.extract import WINDOW_LINES, terms

SCHEMA_VERSION = 1
"""Of the tables and of :func:`fimls.context.extract.terms`. Another version is rebuilt."""

# words: for each window its words, compressed; null where the file's content may not be read.
# windows: rowid is files.id << WINDOW_BITS | the window's number. Contentless: FTS5 has to be told
# the words of a window that it shall forget.
SCHEMA = """
CREATE TABLE files (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,
    mtime_ns INTEGER NOT NULL,
    size INTEGER NOT NULL,
    digest BLOB NOT NULL,
    lines INTEGER NOT NULL,
    words BLOB
);
CREATE TABLE definitions (name TEXT, file INTEGER, PRIMARY KEY (name, file)) WITHOUT ROWID;
CREATE VIRTUAL TABLE windows USING fts5(
    terms, content='', detail=none, tokenize="ascii tokenchars '_^'"
);
CREATE VIRTUAL TABLE vocabulary USING fts5vocab(windows, row);
"""
WINDOW_BITS = 16

# A posting is a window that holds a term; to look at more than this would take over 20 ms.
_MAX_POSTINGS = 20_000
_MAX_TERMS = 24
_BUSY_TIMEOUT_S = 0.05

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Window:
    """Lines of a file, found by the words in them.

    path: relative to the workspace, forward slashes. start_line: from 0. end_line: exclusive.
    score: BM25; comparable within one search, higher is better.
    """

    path: str
    start_line: int
    end_line: int
    score: float


class Index:
    """Looks things up; thread-safe, and never waits for the process that writes.

    Where the database is missing, unreadable or corrupt, every method answers as for an empty one:
    the writer repairs it.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._opened: tuple[int, int] | None = None  # device and inode of what `_idle` has open

    def search(
        self, words: Sequence[str], *, limit: int, exclude: Collection[str] = ()
    ) -> list[Window]:
        """Find the windows that share the rarest of some words, the best first.

        exclude: paths of files to leave out.
        """
        wanted = terms(dict.fromkeys(words))
        return self._ask(lambda connection: _search(connection, wanted, limit, exclude), [])

    def defining_files(self, names: Collection[str], *, limit: int = 8) -> dict[str, list[str]]:
        """Find the files that define each of some names, shortest path first, ``limit`` a name."""
        found: dict[str, list[str]] = {}
        for name, path in self._rows(
            """
            SELECT name, path FROM definitions JOIN files ON files.id = file
            WHERE name IN (SELECT value FROM json_each(?)) ORDER BY length(path), path
            """,
            names,
        ):
            paths = found.setdefault(name, [])
            if len(paths) < limit:
                paths.append(path)
        return found

    def known(self, names: Collection[str]) -> frozenset[str]:
        """Which of some names occur anywhere in the workspace, in this very case."""
        sql = "SELECT name FROM names WHERE name IN (SELECT value FROM json_each(?))"
        return frozenset(name for (name,) in self._rows(sql, names))

    def files(self) -> int:
        """How many files are indexed."""
        rows = self._rows("SELECT count(*) FROM files WHERE words IS NOT NULL")
        return rows[0][0] if rows else 0

    def has(self, path: str) -> bool:
        """Whether a file is indexed, by its relative path."""
        return self.resolve([path]) is not None

    def resolve(self, candidates: Sequence[str]) -> str | None:
        """Return the first of some relative paths that is indexed."""
        sql = """
            SELECT path FROM files
            WHERE words IS NOT NULL AND path IN (SELECT value FROM json_each(?))
            """
        indexed = {path for (path,) in self._rows(sql, candidates)}
        return next((path for path in candidates if path in indexed), None)

    def close(self) -> None:
        """Close what is open; the next question opens it again."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _rows(self, sql: str, *lists: Collection[str]) -> list[tuple[Any, ...]]:
        """Run a query whose parameters are lists of strings."""
        parameters = [json.dumps(list(each)) for each in lists]
        return self._ask(lambda connection: connection.execute(sql, parameters).fetchall(), [])

    def _ask(self, question: Callable[[sqlite3.Connection], Answer], otherwise: Answer) -> Answer:
        """Ask the database. otherwise: the answer of an empty one."""
        connection = None
        try:
            connection = self._borrow()
            answer = question(connection)
        except (OSError, sqlite3.Error):
            # No database, or a broken one, which the writer will replace.
            if connection is not None:
                connection.close()
            return otherwise
        with self._lock:
            self._idle.append(connection)
        return answer

    def _borrow(self) -> sqlite3.Connection:
        status = self._database.stat()
        opened = (status.st_dev, status.st_ino)
        with self._lock:
            if opened != self._opened:  # the writer has deleted the database and begun another
                stale, self._idle, self._opened = self._idle, [], opened
            elif self._idle:
                return self._idle.pop()
            else:
                stale = []
        for connection in stale:
            connection.close()
        return sqlite3.connect(
            f"{self._database.resolve().as_uri()}?mode=ro",
            uri=True,
            timeout=_BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,  # one thread at a time, but not always the same
        )


def _search(connection, wanted, limit, exclude):
    return []
