"""The index of a workspace: what lies where, for the files that aren't open. The side that reads.

An SQLite database for each workspace folder, which the process of
:class:`fimls.context.indexer.Indexer` keeps up to date. Write-ahead logging lets readers go on
while it writes. Its full-text index (FTS5) knows which windows of lines hold a word; no code is
stored, only words, and without their order.
"""

from __future__ import annotations

import heapq
import json
import math
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from fimls.context.extract import WINDOW_LINES, terms

SCHEMA_VERSION = 1
"""Of the tables and of :func:`fimls.context.extract.terms`. Another version is rebuilt."""

# files: lines is null where the content may not be read.
# words: a file's definitions and its windows' words, compressed: what FTS5, which keeps no text
# here, must be told once more when it shall forget them.
# windows: the rowid is files.id << WINDOW_BITS | the window's number.
SCHEMA = """
CREATE TABLE files (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,
    mtime_ns INTEGER NOT NULL,
    size INTEGER NOT NULL,
    digest BLOB NOT NULL,
    lines INTEGER
);
CREATE INDEX file_lines ON files (lines);
CREATE TABLE words (file INTEGER PRIMARY KEY, packed BLOB NOT NULL);
CREATE TABLE definitions (name TEXT, file INTEGER, PRIMARY KEY (name, file)) WITHOUT ROWID;
CREATE VIRTUAL TABLE windows USING fts5(
    terms, content='', columnsize=0, detail=none, tokenize="ascii tokenchars '_^'"
);
"""
WINDOW_BITS = 16

_DEFINING = """
SELECT path FROM definitions JOIN files ON files.id = file WHERE name = ? ORDER BY file LIMIT ?
"""

# A word in more windows than this says little, and reading them all would take long.
_COMMON_WINDOWS = 500
_COMMON_WORDS_MAX = 20_000
_BUSY_TIMEOUT_S = 0.05
_SIGILS = "$@#"  # parts of a name in some languages, but in the index of none

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Window:
    """Lines of a file, found by the words in them.

    path: relative to the workspace, forward slashes. start_line: from 0. end_line: exclusive.
    score: comparable within one search, higher is better.
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
        self._common = set[str]()  # words found to be in too many windows

    def search(
        self, words: Sequence[str], *, limit: int, exclude: Collection[str] = ()
    ) -> list[Window]:
        """Find the windows that share the rarer ones of some words, the best first.

        Ranked by BM25 with b = 0: a window has a word or not, and all are equally long, so what
        counts is the sum of the words' inverse document frequencies.

        words: in any order; of their own case. exclude: paths of files to leave out.
        """
        return self._ask(lambda connection: self._search(connection, words, limit, exclude), [])

    def defining_files(self, names: Collection[str], *, limit: int = 8) -> dict[str, list[str]]:
        """Find the files that define each of some names: the first ``limit`` to be indexed."""

        def find(connection: sqlite3.Connection) -> dict[str, list[str]]:
            found = {
                name: [path for (path,) in connection.execute(_DEFINING, (name, limit))]
                for name in dict.fromkeys(names)
            }
            return {name: paths for name, paths in found.items() if paths}

        return self._ask(find, {})

    def known(self, names: Collection[str]) -> frozenset[str]:
        """Which of some names occur anywhere in the workspace, in this very case.

        Single letters and what a language itself brings are in no index.
        """
        return self._ask(
            lambda connection: frozenset(name for name in names if _windows(connection, name, 1)),
            frozenset(),
        )

    def files(self) -> int:
        """How many files are indexed."""
        rows = self._rows("SELECT count(lines) FROM files")
        return rows[0][0] if rows else 0

    def has(self, path: str) -> bool:
        """Whether a file is indexed, by its relative path."""
        return self.resolve([path]) is not None

    def resolve(self, candidates: Sequence[str]) -> str | None:
        """Return the first of some relative paths that is indexed."""
        sql = """
            SELECT path FROM files
            WHERE lines IS NOT NULL AND path IN (SELECT value FROM json_each(?))
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
            connection.execute("BEGIN")  # all that a question asks sees one state
            answer = question(connection)
            connection.execute("COMMIT")
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

    def _search(
        self,
        connection: sqlite3.Connection,
        words: Sequence[str],
        limit: int,
        exclude: Collection[str],
    ) -> list[Window]:
        (lines,) = connection.execute("SELECT total(lines) FROM files").fetchone()
        scores = defaultdict[int, float](float)
        for word in dict.fromkeys(words):
            if word in self._common:
                continue
            windows = _windows(connection, word, _COMMON_WINDOWS + 1)
            if len(windows) > _COMMON_WINDOWS:
                self._common.add(word)
                continue
            for window in windows:
                scores[window] += math.log1p(lines / WINDOW_LINES / len(windows))
        if len(self._common) > _COMMON_WORDS_MAX:
            self._common.clear()
        find_id = "SELECT id FROM files WHERE path IN (SELECT value FROM json_each(?))"
        excluded = {file for (file,) in connection.execute(find_id, [json.dumps([*exclude])])}
        best = heapq.nsmallest(
            limit,
            (
                (-score, window)
                for window, score in scores.items()
                if window >> WINDOW_BITS not in excluded
            ),
        )
        return [_place(connection, window, -negated) for negated, window in best]


def _place(connection: sqlite3.Connection, window: int, score: float) -> Window:
    file, number = window >> WINDOW_BITS, window & ((1 << WINDOW_BITS) - 1)
    path, lines = connection.execute("SELECT path, lines FROM files WHERE id=?", [file]).fetchone()
    start = number * WINDOW_LINES
    return Window(path, start, min(start + WINDOW_LINES, lines), score)


def _windows(connection: sqlite3.Connection, word: str, limit: int) -> list[int]:
    """The row ids of at most ``limit`` windows that hold a word."""
    word = word.strip(_SIGILS)
    if not word.isidentifier():  # more or less than one term, which this index can't look for
        return []
    sql = "SELECT rowid FROM windows WHERE windows MATCH ? LIMIT ?"
    return [window for (window,) in connection.execute(sql, (f'"{terms([word])}"', limit))]
