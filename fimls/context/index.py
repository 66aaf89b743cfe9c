"""The index of a workspace folder: where words and definitions are. This side reads.

Each folder has an SQLite database, kept up to date by the process of
:class:`fimls.context.indexer.Indexer`. Write-ahead logging lets readers continue while it writes.
A full-text index (FTS5) knows which windows of lines contain a word. No code is stored, only words
without their order.
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
from typing import TypeVar

from fimls.context.extract import WINDOW_LINES, terms

SCHEMA_VERSION = 1
"""Covers the tables and :func:`fimls.context.extract.terms`. Other versions are rebuilt."""

# files: lines is null where the content may not be read.
# words: a file's definitions and its windows' words, compressed. FTS5 keeps no text here, so it
# must be given the words again to delete them.
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

# A word in more windows than this says little, and reading all of them would take long.
_COMMON_WINDOWS = 500
_COMMON_WORDS_MAX = 20_000
_BUSY_TIMEOUT_S = 0.05
_SIGILS = "$@#"  # parts of a name in some languages, but in the index of none

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Window:
    """Lines of a file, found by the words in them."""

    path: str
    """Relative to the workspace folder, with forward slashes."""
    start_line: int
    """From 0."""
    end_line: int
    """Exclusive."""
    score: float
    """Higher is better; comparable only within one search."""


class Index:
    """Answers questions; thread-safe, and never waits for the process that writes.

    If the database is missing, unreadable or corrupt, every method answers as if it were empty: the
    writer repairs it.
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
        """Find the windows that contain the rarer ones of some words, the best first.

        The rank is BM25 with b = 0: a window contains a word or not, and all are equally long, so
        the score is the sum of the words' inverse document frequencies.

        words: in any order, case-sensitive. exclude: paths of files to leave out.
        """
        return self._ask(lambda connection: self._search(connection, words, limit, exclude), [])

    def defining_files(self, names: Collection[str], *, limit: int = 8) -> dict[str, list[str]]:
        """Find the files that define each of some names; of many, the first ``limit`` indexed."""

        def find(connection: sqlite3.Connection) -> dict[str, list[str]]:
            found = {
                name: [path for (path,) in connection.execute(_DEFINING, (name, limit))]
                for name in dict.fromkeys(names)
            }
            return {name: paths for name, paths in found.items() if paths}

        return self._ask(find, {})

    def known(self, names: Collection[str]) -> frozenset[str]:
        """Return the names that occur anywhere in the workspace, case-sensitive.

        Single letters and words of a language itself are in no index.
        """
        return self._ask(
            lambda connection: frozenset(name for name in names if _windows(connection, name, 1)),
            frozenset(),
        )

    def files(self) -> int:
        """Return how many files are indexed."""

        def count(connection: sqlite3.Connection) -> int:
            (files,) = connection.execute("SELECT count(lines) FROM files").fetchone()
            return int(files)

        return self._ask(count, 0)

    def close(self) -> None:
        """Close the connections; the next question opens one again."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _ask(self, question: Callable[[sqlite3.Connection], Answer], otherwise: Answer) -> Answer:
        """Ask the database. otherwise: the answer of an empty database."""
        connection = None
        try:
            connection = self._borrow()
            connection.execute("BEGIN")  # a question sees one state
            answer = question(connection)
            connection.execute("COMMIT")
        except (OSError, sqlite3.Error):
            # There is no database, or a broken one, which the writer will replace.
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
            if opened != self._opened:  # the writer has replaced the database
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
            check_same_thread=False,  # used by one thread at a time, not always the same
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
    """Return the row ids of at most ``limit`` windows that contain a word."""
    word = word.strip(_SIGILS)
    if not word.isidentifier():  # not exactly one term, so the index can't find it
        return []
    sql = "SELECT rowid FROM windows WHERE windows MATCH ? LIMIT ?"
    return [window for (window,) in connection.execute(sql, (f'"{terms([word])}"', limit))]
