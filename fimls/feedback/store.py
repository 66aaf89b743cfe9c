"""The SQLite file of suggestions, readable by its owner alone."""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import platformdirs

from fimls.feedback.suggestion import Suggestion
from fimls.types import StoreError

_VERSION = 1
_DAYS_KEPT = 400
_BUSY_TIMEOUT_S = 2.0
_COLUMNS = (
    "id TEXT PRIMARY KEY, at REAL, language TEXT, model TEXT, adapter TEXT, multi INTEGER, "
    "characters INTEGER, latency_ms REAL, shown INTEGER, accepted INTEGER, how TEXT, "
    "kept_30s REAL, kept_2min REAL, kept_10min REAL, text TEXT"
)
_PLACES = ", ".join("?" * 15)


def feedback_path() -> Path:
    """Where the file lies: in the user's state folder."""
    return platformdirs.user_state_path("fimls") / "feedback.sqlite"


class FeedbackStore:
    """Opens the file for each call: several servers share it, and none holds it open.

    A file that can't be used costs the statistics, never a completion: every method but
    :meth:`read` and :meth:`clear` does nothing then.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or feedback_path()

    def write(self, suggestions: Iterable[Suggestion]) -> None:
        """Add suggestions, or replace those of the same id."""
        rows = [_row(one) for one in suggestions]
        with contextlib.suppress(OSError, sqlite3.Error, StoreError), self._open() as database:
            database.executemany(f"INSERT OR REPLACE INTO suggestions VALUES ({_PLACES})", rows)  # noqa: S608 - question marks

    def read(self, since: float = 0.0) -> list[Suggestion]:
        """All suggestions from ``since`` (seconds since 1970) on, the oldest first.

        Raises:
            StoreError: there is a file, but it can't be read.
        """
        if not self.path.exists():
            return []
        try:
            with self._open() as database:
                rows = database.execute(
                    "SELECT * FROM suggestions WHERE at >= ? ORDER BY at", (since,)
                ).fetchall()
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"the statistics in {self.path} can't be read: {error}",
                hint="`fimls stats --clear` begins anew",
            ) from error
        return [_suggestion(row) for row in rows]

    def clear(self) -> None:
        """Delete everything.

        Raises:
            StoreError: the file can't be deleted.
        """
        try:
            for suffix in ("", "-wal", "-shm"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(
                f"{self.path} can't be deleted: {error.strerror}", hint="check its permissions"
            ) from error

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self.path.exists():
            self.path.touch(mode=0o600)
        database = sqlite3.connect(self.path, timeout=_BUSY_TIMEOUT_S)
        try:
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if version > _VERSION:
                raise StoreError(
                    f"{self.path} was written by a later version of fimls",
                    hint="upgrade fimls, or `fimls stats --clear`",
                )
            with database:
                if version < _VERSION:
                    database.execute(f"CREATE TABLE IF NOT EXISTS suggestions ({_COLUMNS})")
                    database.execute("CREATE INDEX IF NOT EXISTS by_time ON suggestions (at)")
                    database.execute(f"PRAGMA user_version = {_VERSION}")
                yield database
                database.execute(
                    "DELETE FROM suggestions WHERE at < unixepoch() - ?", (_DAYS_KEPT * 86_400,)
                )
        finally:
            database.close()


def _row(one: Suggestion) -> tuple[object, ...]:
    values = [getattr(one, field.name) for field in dataclasses.fields(one)]
    kept = values.index(one.kept)
    return (*values[:kept], *one.kept, *values[kept + 1 :])


def _suggestion(row: tuple[Any, ...]) -> Suggestion:
    *values, first, second, third, text = row
    names = (field.name for field in dataclasses.fields(Suggestion))
    made = Suggestion(**dict(zip(names, [*values, (first, second, third), text], strict=True)))
    made.multi, made.shown = bool(made.multi), bool(made.shown)  # SQLite has no booleans
    return made
