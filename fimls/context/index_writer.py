"""The side of the index that writes. Several processes may: each change is one transaction."""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fimls.context.extract import Contents, terms
from fimls.context.index import SCHEMA, SCHEMA_VERSION, WINDOW_BITS

UNUSED_S = 30 * 24 * 3600.0
"""An index that no server has used for this long is deleted; the next server makes it anew."""

_BUSY_TIMEOUT_S = 30.0
_CACHE_KIB = 32_768
_MERGED_PAGES = 500
_WORDS_OF = "SELECT id, packed FROM files JOIN words ON file = id WHERE path=?"
# "0" is what comes after "/".
_AT_OR_BELOW = """
SELECT path FROM files WHERE path = :path OR path > :path || '/' AND path < :path || '0'
"""


@dataclass(frozen=True, slots=True)
class Stamp:
    """Identifies one state of a file."""

    mtime_ns: int
    size: int
    digest: bytes
    """A hash of its bytes. Time and size are quicker to compare, but less sure."""

    def fits(self, status: os.stat_result) -> bool:
        """Whether a file with this status is most likely in this state."""
        return (status.st_mtime_ns, status.st_size) == (self.mtime_ns, self.size)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file to put into the index."""

    path: str
    stamp: Stamp
    contents: Contents | None
    """None where its content may not be read."""


_Replaced = tuple[int, Contents, Entry | None]
"""A file's id, its old contents, and what takes its place; None: nothing."""


class IndexWriter:
    """Opens the database, or makes a new one where it is missing, corrupt or of another version.

    Raises (all methods):
        OSError: the folder can't be written to.
        sqlite3.OperationalError: the disk is full or fails, or the database was replaced.
        sqlite3.DatabaseError, zlib.error: the database is corrupt.
    """

    def __init__(self, database: Path) -> None:
        database.parent.mkdir(parents=True, exist_ok=True)
        database.parent.chmod(0o700)  # it holds words of private code
        try:
            self._connection = _open(database)
        except _UnusableError:
            delete_database(database)
            self._connection = _open(database)
        self._database, self._identity = database, _identity(database)

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def stamps(self) -> dict[str, Stamp]:
        """Return the files in the index: path -> the state in which it was read."""
        rows = self._connection.execute("SELECT path, mtime_ns, size, digest FROM files")
        return {path: Stamp(*stamp) for path, *stamp in rows}

    def write(self, entries: Iterable[Entry], removed: Iterable[str] = ()) -> None:
        """Replace some files and drop others, in one transaction.

        removed: paths of files; of folders too, for all below them.
        """
        if _identity(self._database) != self._identity:
            # Deleted, perhaps made anew; SQLite would go on with a file that nobody else can open.
            raise sqlite3.OperationalError("the database was replaced")
        wanted: dict[str, Entry | None] = {entry.path: entry for entry in entries}
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            for path in removed:
                for (below,) in connection.execute(_AT_OR_BELOW, {"path": path}):
                    wanted.setdefault(below, None)
            self._apply(self._replaced(wanted))
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def merge(self) -> bool:
        """Merge some of what many transactions have written, so that searches are faster.

        Takes some hundredths of a second. Returns False when there is nothing left to merge.
        """
        connection = self._connection
        before = connection.total_changes
        # A negative number of pages starts a merge of everything, unless one has started.
        connection.execute(
            "INSERT INTO windows (windows, rank) VALUES ('merge', ?)", [-_MERGED_PAGES]
        )
        return connection.total_changes - before >= 2

    def touch(self, stamps: Iterable[tuple[str, Stamp]]) -> None:
        """Note new times of files whose content is the same."""
        rows = [(stamp.mtime_ns, stamp.size, path) for path, stamp in stamps]
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany("UPDATE files SET mtime_ns=?, size=? WHERE path=?", rows)
        self._connection.execute("COMMIT")

    def _replaced(self, wanted: Mapping[str, Entry | None]) -> list[_Replaced]:
        (last,) = self._connection.execute("SELECT coalesce(max(id), 0) FROM files").fetchone()
        replaced = []
        for path, entry in wanted.items():
            row = self._connection.execute(_WORDS_OF, (path,)).fetchone()
            if row is None:
                last += 1
            file, packed = row or (last, None)
            replaced.append((file, _unpack(packed), entry))
        return replaced

    def _apply(self, replaced: Sequence[_Replaced]) -> None:
        many = self._connection.executemany
        files = [(file,) for file, _, _ in replaced]
        entries = [(file, entry) for file, _, entry in replaced if entry is not None]
        contents = [(file, old, _contents(entry)) for file, old, entry in replaced]
        many("DELETE FROM files WHERE id=?", files)
        many("DELETE FROM words WHERE file=?", files)
        many("INSERT INTO files VALUES (?, ?, ?, ?, ?, ?)", itertools.starmap(_file_row, entries))
        many(
            "INSERT INTO words VALUES (?, ?)",
            ((file, _pack(_contents(entry))) for file, entry in entries),
        )
        many(
            "DELETE FROM definitions WHERE name=? AND file=?",
            [
                (name, file)
                for file, old, new in contents
                for name in old.definitions - new.definitions
            ],
        )
        many(
            "INSERT INTO definitions VALUES (?, ?)",
            [
                (name, file)
                for file, old, new in contents
                for name in new.definitions - old.definitions
            ],
        )
        # The full-text index comes last: after any other statement it writes out what it has
        # gathered so far.
        windows = [row for each in contents for row in _changed_windows(*each)]
        many(
            "INSERT INTO windows (windows, rowid, terms) VALUES ('delete', ?, ?)",
            [(rowid, terms(before)) for rowid, before, _ in windows if before],
        )
        many(
            "INSERT INTO windows (rowid, terms) VALUES (?, ?)",
            [(rowid, terms(after)) for rowid, _, after in windows if after],
        )


def delete_database(database: Path) -> None:
    """Delete a database, and the files that SQLite keeps beside it."""
    for name in (database.name, f"{database.name}-wal", f"{database.name}-shm"):
        database.with_name(name).unlink(missing_ok=True)


def mark_used(database: Path) -> None:
    """Note that an index is in use; it may get no writes for weeks."""
    with contextlib.suppress(FileNotFoundError):  # deleted: the next write will fail
        os.utime(database)


def remove_unused(folder: Path) -> None:
    """Delete the indexes in a folder that no server uses any more."""
    oldest_s = time.time() - UNUSED_S
    for database in folder.glob("*.sqlite"):
        # Another server may be doing the same, or the file may be somebody else's.
        with contextlib.suppress(FileNotFoundError, PermissionError):
            if database.stat().st_mtime < oldest_s:
                delete_database(database)
                database.with_name(f"{database.name}.lock").unlink(missing_ok=True)


class _UnusableError(Exception):
    """The database is corrupt or of another version."""


def _contents(entry: Entry | None) -> Contents:
    return (entry and entry.contents) or _NOTHING


def _file_row(file: int, entry: Entry) -> tuple[object, ...]:
    stamp, contents = entry.stamp, entry.contents
    lines = None if contents is None else contents.lines
    return file, entry.path, stamp.mtime_ns, stamp.size, stamp.digest, lines


def _changed_windows(
    file: int, old: Contents, new: Contents
) -> Iterator[tuple[int, frozenset[str], frozenset[str]]]:
    """Yield the row id, the old and the new words of each window that changes."""
    both = itertools.zip_longest(old.windows, new.windows, fillvalue=frozenset[str]())
    for number, (before, after) in enumerate(both):
        if before != after:
            yield file << WINDOW_BITS | number, before, after


_NOTHING = Contents(lines=0, definitions=frozenset(), windows=())


def _open(database: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(database, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")  # WAL: a power cut loses work, not order
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
            connection.executescript(
                f"BEGIN; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            )
        if connection.execute("PRAGMA user_version").fetchone() != (SCHEMA_VERSION,):
            raise _UnusableError
        if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise _UnusableError
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(
            error, sqlite3.OperationalError
        ):
            raise _UnusableError from error
        raise
    return connection


def _identity(database: Path) -> tuple[int, int] | None:
    """Return the device and inode of a file; None where there is none."""
    try:
        status = database.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _pack(contents: Contents) -> bytes:
    lines = [contents.definitions, *contents.windows]
    return zlib.compress("\n".join(map(" ".join, lines)).encode(), 1)


def _unpack(packed: bytes | None) -> Contents:
    if packed is None:
        return _NOTHING
    lines = zlib.decompress(packed).decode().split("\n")
    definitions, *windows = (frozenset(line.split()) for line in lines)
    return Contents(0, definitions, tuple(windows))
