"""The side of the index that writes. Several processes may: each change is one transaction."""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
import time
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from fimls.context.extract import Contents, terms
from fimls.context.index import SCHEMA, SCHEMA_VERSION, WINDOW_BITS

UNUSED_S = 30 * 24 * 3600.0
"""A workspace that no server has looked through for so long is forgotten; it is read anew."""

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
    """What tells one state of a file from another: time and size at a glance, the hash for sure."""

    mtime_ns: int
    size: int
    digest: bytes

    def fits(self, status: os.stat_result) -> bool:
        """Whether a file of this status is most likely in this state."""
        return (status.st_mtime_ns, status.st_size) == (self.mtime_ns, self.size)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file to put into the index. contents: None where its content may not be read."""

    path: str
    stamp: Stamp
    contents: Contents | None


class IndexWriter:
    """Opens the database, made new where it is missing, corrupt or of another version.

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
        """What is in the index: by path, in which state."""
        rows = self._connection.execute("SELECT path, mtime_ns, size, digest FROM files")
        return {path: Stamp(*stamp) for path, *stamp in rows}

    def write(self, entries: Iterable[Entry], removed: Iterable[str] = ()) -> None:
        """Replace some files and drop others, in one transaction.

        removed: paths of files; of folders too, for all below them.
        """
        if _identity(self._database) != self._identity:
            # Deleted, perhaps made new; SQLite would go on with what nobody else can see.
            raise sqlite3.OperationalError("the database was replaced")
        wanted: dict[str, Entry | None] = {entry.path: entry for entry in entries}
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            for path in removed:
                for (below,) in connection.execute(_AT_OR_BELOW, {"path": path}):
                    wanted.setdefault(below, None)
            self._apply(self._changes(wanted))
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def merge(self) -> bool:
        """Merge some of what many transactions have written; False when there is no more to do.

        What is merged is found faster. One call takes some hundredths of a second.
        """
        connection = self._connection
        before = connection.total_changes
        # A negative number of pages begins to merge everything, unless that is under way.
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

    def _changes(self, wanted: dict[str, Entry | None]) -> _Changes:
        changes = _Changes()
        (last,) = self._connection.execute("SELECT coalesce(max(id), 0) FROM files").fetchone()
        for path, entry in wanted.items():
            row = self._connection.execute(_WORDS_OF, (path,)).fetchone()
            if row is None:
                last += 1
            file, packed = row or (last, None)
            changes.add(file, _unpack(packed), entry)
        return changes

    def _apply(self, changes: _Changes) -> None:
        many = self._connection.executemany
        many("DELETE FROM files WHERE id=?", changes.old_files)
        many("DELETE FROM words WHERE file=?", changes.old_files)
        many("INSERT INTO files VALUES (?, ?, ?, ?, ?, ?)", changes.new_files)
        many("INSERT INTO words VALUES (?, ?)", changes.new_words)
        many("DELETE FROM definitions WHERE name=? AND file=?", changes.old_definitions)
        many("INSERT INTO definitions VALUES (?, ?)", changes.new_definitions)
        # The full-text index last: many another statement makes it write out what it has gathered.
        many(
            "INSERT INTO windows (windows, rowid, terms) VALUES ('delete', ?, ?)",
            changes.old_windows,
        )
        many("INSERT INTO windows (rowid, terms) VALUES (?, ?)", changes.new_windows)


@dataclass(slots=True)
class _Changes:
    """Rows to delete and to insert, by table."""

    old_files: list[tuple[int]] = field(default_factory=list)
    new_files: list[tuple[object, ...]] = field(default_factory=list)
    new_words: list[tuple[int, bytes]] = field(default_factory=list)
    old_definitions: list[tuple[str, int]] = field(default_factory=list)
    new_definitions: list[tuple[str, int]] = field(default_factory=list)
    old_windows: list[tuple[int, str]] = field(default_factory=list)
    new_windows: list[tuple[int, str]] = field(default_factory=list)

    def add(self, file: int, old: Contents, entry: Entry | None) -> None:
        """Put an entry, or nothing, in the place of a file's old contents."""
        new = (entry and entry.contents) or _NOTHING
        self.old_files.append((file,))
        if entry is not None:
            stamp = entry.stamp
            lines = None if entry.contents is None else new.lines
            state = (stamp.mtime_ns, stamp.size, stamp.digest)
            self.new_files.append((file, entry.path, *state, lines))
            self.new_words.append((file, _pack(new)))
        self.old_definitions += [(name, file) for name in old.definitions - new.definitions]
        self.new_definitions += [(name, file) for name in new.definitions - old.definitions]
        both = itertools.zip_longest(old.windows, new.windows, fillvalue=frozenset[str]())
        for number, (before, after) in enumerate(both):
            rowid = file << WINDOW_BITS | number
            if before and before != after:
                self.old_windows.append((rowid, terms(before)))
            if after and before != after:
                self.new_windows.append((rowid, terms(after)))


def delete_database(database: Path) -> None:
    """Delete a database that must not be used any more, with the files SQLite keeps beside it."""
    for name in (database.name, f"{database.name}-wal", f"{database.name}-shm"):
        database.with_name(name).unlink(missing_ok=True)


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


class _UnusableError(Exception):
    """The database is corrupt or of another version."""


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
    """What tells a file from another of its name; None where there is none."""
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
