"""The process that keeps a workspace's index; ``indexer.py`` starts it.

Reading thousands of files would stop a server's event loop, so this has a process of its own, at
the lowest priority. Its messages (:mod:`fimls.child`):

    in   {"folder", "database", "globs"}           once, to begin with
         {"op": "update", "paths"}                 index these files again, or drop them
         {"op": "sync", "id"}                      answer when all asked for so far is done
    out  {"event": "progress", "done", "total"}    files; total grows while files are found
         {"event": "ready", "note"}                all is indexed; note: what is left out, or ""
         {"event": "synced", "id"}
         {"event": "failed", "message"}            it can't go on, and ends

It first looks through the folder, then waits for updates. Killed, it leaves the database as it was
after the last transaction.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import heapq
import itertools
import os
import sqlite3
import stat
import time
import zlib
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from fimls.child import Parent, ParentGoneError
from fimls.context.exclusions import Exclusions
from fimls.context.extract import extract
from fimls.context.index_writer import (
    Entry,
    IndexWriter,
    Stamp,
    delete_database,
    mark_used,
    remove_unused,
)
from fimls.context.reasons import MAX_FILE_BYTES, content_reason
from fimls.syntax.languages import PLAIN_TEXT, language_of

MAX_FILES = 30_000
"""The most files in an index: those nearest to the root, then by path. A file that is edited is
indexed nevertheless, until the next start."""

MAX_FOUND = 300_000
"""The most files to look for: a folder with more is surely not one project."""

_BATCH_BYTES = 4_000_000  # of source in a transaction, half a second of work
_BATCH_FILES = 500  # to drop in a transaction
_MANY_FILES = 1000  # changed at once, they leave an index that is worth merging
_MAX_FAILURES = 3
_PROGRESS_S = 0.25
_LOCK_POLL_S = 0.2
_IGNORE_FILES = frozenset({".gitignore", ".fimlsignore"})
_DIGEST_BYTES = 16


class Worker:
    """Looks through the folder, then serves updates."""

    def __init__(self, parent: Parent, opening: dict[str, Any]) -> None:
        self._parent = parent
        self._folder = Path(opening["folder"])
        self._database = Path(opening["database"])
        self._globs: list[str] = opening["globs"]
        self._exclusions = Exclusions(self._folder, self._globs)
        self._writer: IndexWriter | None = None
        self._batch: list[Entry] = []
        self._batch_bytes = 0
        self._scan_wanted = True
        self._syncs: list[int] = []  # to answer after the scan
        self._progress_at = 0.0

    def run(self) -> None:
        """Work until the parent is gone.

        Raises:
            ParentGoneError: it is.
            OSError, sqlite3.Error: the database can't be written.
        """
        failures = 0
        while True:
            try:
                if self._scan_wanted:
                    self._scan()
                elif message := self._parent.receive(timeout_s=None):
                    self._handle(message)
                    failures = 0
            except (sqlite3.DatabaseError, zlib.error) as error:
                failures += 1
                if failures > _MAX_FAILURES:
                    raise
                # Locked for long, or replaced by another server's process: open it again.
                # Anything else: it is corrupt.
                self.close(delete=not isinstance(error, sqlite3.OperationalError))
                self._scan_wanted = True

    def close(self, *, delete: bool = False) -> None:
        """Close the database."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if delete:
            delete_database(self._database)

    def _scan(self) -> None:
        """Bring the index up to date with the whole folder."""
        self._scan_wanted = False
        self._batch, self._batch_bytes = [], 0
        self._database.parent.mkdir(parents=True, exist_ok=True)
        with self._locked():
            self._writer = self._writer or IndexWriter(self._database)
            self._exclusions = Exclusions(self._folder, self._globs)
            found, note = self._find()
            known = self._writer.stamps()
            self._drop(known.keys() - found.keys())
            changed = [
                path
                for path, status in found.items()
                if path not in known or not known[path].fits(status)
            ]
            self._index(changed, known)
            if len(changed) >= _MANY_FILES:
                while self._writer.merge():
                    self._attend(len(changed), len(changed))
            mark_used(self._database)
        remove_unused(self._database.parent)
        self._parent.send(event="ready", note=note)
        while self._syncs and not self._scan_wanted:
            self._parent.send(event="synced", id=self._syncs.pop())

    def _drop(self, paths: Collection[str]) -> None:
        remaining = iter(sorted(paths))
        while some := list(itertools.islice(remaining, _BATCH_FILES)):
            self._attend(0, 0)
            self._flush(some)

    def _index(self, paths: Collection[str], known: dict[str, Stamp]) -> None:
        same = []
        for done, path in enumerate(paths):
            self._attend(done, len(paths))
            loaded = _load(self._exclusions.folder / path)
            if loaded is None:
                continue  # deleted since it was found; the next scan drops its entry
            stamp, data = loaded
            if path in known and known[path].digest == stamp.digest:
                same.append((path, stamp))
            else:
                self._add(path, stamp, data)
        self._flush()
        assert self._writer is not None
        self._writer.touch(same)

    def _locked(self) -> contextlib.AbstractContextManager[object]:
        """Wait for the lock that keeps two servers' processes from doing the same work."""
        lock = FileLock(f"{self._database}.lock", mode=0o600)
        while True:
            try:
                return lock.acquire(blocking=False)
            except Timeout:
                self._attend(0, 0)
                time.sleep(_LOCK_POLL_S)

    def _find(self) -> tuple[dict[str, os.stat_result], str]:
        """Find the files to index, by relative path, and say what is left out ("" if nothing)."""
        seen = 0

        def walk() -> Iterator[tuple[int, str, os.stat_result]]:
            nonlocal seen
            for seen, (path, status) in enumerate(self._exclusions.walk(), 1):
                self._attend(0, min(seen, MAX_FILES))
                relative = self._relative(path)
                if relative is not None:
                    yield relative.count("/"), relative, status
                if seen == MAX_FOUND:
                    return

        nearest = heapq.nsmallest(MAX_FILES, walk(), key=lambda file: file[:2])
        note = f"index limited to {MAX_FILES} files of {seen}" if seen > MAX_FILES else ""
        return {path: status for _, path, status in nearest}, note

    def _relative(self, path: Path) -> str | None:
        """A real path's name in the index; None outside the folder, or if it isn't UTF-8."""
        try:
            relative = path.relative_to(self._exclusions.folder).as_posix()
            relative.encode()
        except ValueError:
            return None
        return relative

    def _attend(self, done: int, total: int) -> None:
        """Look after the parent, between two files of a scan."""
        while message := self._parent.receive():
            self._handle(message, scanning=True)
        now = time.monotonic()
        if now - self._progress_at >= _PROGRESS_S:
            self._progress_at = now
            self._parent.send(event="progress", done=done, total=total)

    def _handle(self, message: dict[str, Any], *, scanning: bool = False) -> None:
        if message["op"] == "update":
            self._update([Path(path) for path in message["paths"]])
        elif scanning or self._scan_wanted:
            self._syncs.append(message["id"])
        else:
            self._parent.send(event="synced", id=message["id"])

    def _update(self, paths: list[Path]) -> None:
        if self._writer is None:
            return  # the scan is still to come
        self._flush()  # it may hold an older state of these files
        removed = []
        for path in paths:
            relative = self._relative(Path(os.path.realpath(path)))  # a link has its file's entry
            if path.name in _IGNORE_FILES or path.is_dir():
                self._scan_wanted = True
            elif relative is not None:
                loaded = None
                if language_of(path) != PLAIN_TEXT and self._exclusions.path_reason(path) is None:
                    loaded = _load(path)
                if loaded is None:
                    removed.append(relative)
                else:
                    self._add(relative, *loaded)
        self._flush(removed)

    def _add(self, path: str, stamp: Stamp, data: bytes | None) -> None:
        """Put a file into the batch, and a full batch into the database."""
        contents = None
        if data is not None and content_reason(data) is None:
            contents = extract(data, language_of(path))
        self._batch.append(Entry(path, stamp, contents))
        self._batch_bytes += len(data or b"")
        if self._batch_bytes >= _BATCH_BYTES:
            self._flush()

    def _flush(self, removed: Iterable[str] = ()) -> None:
        assert self._writer is not None
        self._writer.write(self._batch, removed)
        self._batch, self._batch_bytes = [], 0


def _load(path: Path) -> tuple[Stamp, bytes | None] | None:
    """Read a file: its state, and its bytes or None where they are too many; None: no such file."""
    try:
        # Not blocking: if it is a pipe, its other end may not be open.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                return None
            data = file.read() if status.st_size <= MAX_FILE_BYTES else None
    except OSError:  # deleted since it was found, or not ours to read
        return None
    digest = hashlib.blake2b(data or b"", digest_size=_DIGEST_BYTES).digest()
    return Stamp(status.st_mtime_ns, status.st_size, digest), data


def main() -> None:
    """Serve the parent at standard input and output."""
    os.umask(0o077)  # the index holds words of private code
    os.nice(19)
    gc.set_threshold(50_000)  # a batch is many small objects without cycles: looking costs 8 %
    parent = Parent.connect()
    with contextlib.suppress(ParentGoneError):
        opening = parent.receive(timeout_s=None)
        assert opening is not None
        worker = Worker(parent, opening)
        try:
            worker.run()
        except (OSError, sqlite3.Error, zlib.error) as error:
            parent.send(event="failed", message=str(error))
        finally:
            worker.close()


if __name__ == "__main__":
    main()
