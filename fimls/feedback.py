"""What became of suggestions: kept on this machine, in one SQLite file, without code.

Nothing of it is ever sent anywhere.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs
from rapidfuzz import fuzz

from fimls.types import StoreError

CHECKS_S = (30.0, 120.0, 600.0)
"""When accepted text is looked for, in seconds after it was accepted."""

_VERSION = 1
_DAYS_KEPT = 400
_BUSY_TIMEOUT_S = 2.0
_COLUMNS = (
    "id TEXT PRIMARY KEY, at REAL, language TEXT, model TEXT, adapter TEXT, multi INTEGER, "
    "characters INTEGER, latency_ms REAL, shown INTEGER, accepted INTEGER, how TEXT, "
    "kept_30s REAL, kept_2min REAL, kept_10min REAL, text TEXT"
)
_PLACES = ", ".join("?" * 15)
_AROUND_CHARACTERS = 4_000
_KEPT_FROM = 0.5  # a larger share of the text counts as kept
_PERCENTILE = 95


class Taken(str, enum.Enum):
    """How a suggestion was taken last."""

    NOT = ""
    WHOLE = "whole"
    PART = "part"
    """By words or lines."""


@dataclass(slots=True)
class Suggestion:
    """One suggestion and what became of it: a row of the file."""

    id: str
    """The id of its first completion, unique across servers."""

    at: float
    """When it was answered, in seconds since 1970."""

    language: str
    model: str
    adapter: str
    multi: bool
    """Whether it has several lines."""

    characters: int
    """The length of its text when it was first answered."""

    latency_ms: float
    """From request to answer."""

    shown: bool = False
    """Whether the editor said that it was on the screen."""

    accepted: int = 0
    """How many characters were taken: all at once, by word or by line."""

    how: Taken = Taken.NOT
    kept: tuple[float | None, float | None, float | None] = (None, None, None)
    """The share of what was taken that was still there at each of ``CHECKS_S``; None before that,
    and where its file was closed.
    """

    text: str = ""
    """Empty unless the setting ``feedback_code`` keeps it."""


def feedback_path() -> Path:
    """Where the file is: in the user's state folder."""
    return platformdirs.user_state_path("fimls") / "feedback.sqlite"


class FeedbackStore:
    """The SQLite file of suggestions, readable by its owner alone.

    Each call opens the file: several servers share it, and none holds it open.

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


def kept_share(text: str, document: str, offset: int) -> float:
    """How much of ``text`` a document still has near ``offset``: 0 to 1, 1 for all of it.

    Acceptance alone rewards what is deleted again. This is measured by edit distance, as in
    "Productivity Assessment of Neural Code Completion" (Ziegler et al. 2022). Edits above move the
    text, so it is looked for in a few thousand characters around its place.
    """
    wanted = text.strip()
    if not wanted:
        return 1.0
    near = document[max(0, offset - _AROUND_CHARACTERS) : offset + _AROUND_CHARACTERS + len(text)]
    if wanted in near:
        return 1.0
    compare = fuzz.partial_ratio if len(near) > len(wanted) else fuzz.ratio
    return compare(wanted, near) / 100


GROUPS: dict[str, Callable[[Suggestion], str]] = {
    "day": lambda one: time.strftime("%Y-%m-%d", time.localtime(one.at)),
    "language": lambda one: one.language or "?",
    "model": lambda one: f"{one.model} + {one.adapter}" if one.adapter else one.model,
}
"""What ``fimls stats`` groups by."""


@dataclass(frozen=True, slots=True)
class Line:
    """One group. Shares are between 0 and 1, None where there is nothing to divide by."""

    name: str
    shown: int
    accepted: int
    """Suggestions that were taken whole."""

    partly: int
    """Suggestions of which words or lines were taken."""

    accepted_characters: int
    kept_characters: int
    kept: tuple[float | None, float | None, float | None]
    """The share of suggestions that were still there at each of ``CHECKS_S``, of those that were
    taken and then looked for.
    """

    latency_p50_ms: float | None
    latency_p95_ms: float | None

    @property
    def acceptance(self) -> float | None:
        """The share of shown suggestions of which something was taken."""
        return (self.accepted + self.partly) / self.shown if self.shown else None


def summarize(suggestions: Iterable[Suggestion], by: str = "") -> list[Line]:
    """One line for each group of ``GROUPS[by]``, in order; by "": one for all."""
    groups: dict[str, list[Suggestion]] = {}
    name_of = GROUPS[by] if by else lambda _: "all"
    for one in suggestions:
        groups.setdefault(name_of(one), []).append(one)
    return [_line(name, groups[name]) for name in sorted(groups)]


def _line(name: str, group: Sequence[Suggestion]) -> Line:
    # Taken counts as shown: an editor that doesn't tell what it shows still tells what was taken.
    shown = [one for one in group if one.shown or one.accepted]
    taken = [one for one in shown if one.accepted]
    latencies = sorted(one.latency_ms for one in shown)
    kept = tuple(_kept([one.kept[check] for one in taken]) for check in range(3))
    return Line(
        name=name,
        shown=len(shown),
        accepted=sum(one.how is Taken.WHOLE for one in taken),
        partly=sum(one.how is Taken.PART for one in taken),
        accepted_characters=sum(one.accepted for one in taken),
        kept_characters=round(sum(one.accepted * _last(one) for one in taken)),
        kept=(kept[0], kept[1], kept[2]),
        latency_p50_ms=statistics.median(latencies) if latencies else None,
        latency_p95_ms=latencies[len(latencies) * _PERCENTILE // 100] if latencies else None,
    )


def _kept(shares: Sequence[float | None]) -> float | None:
    known = [share for share in shares if share is not None]
    return sum(share >= _KEPT_FROM for share in known) / len(known) if known else None


def _last(one: Suggestion) -> float:
    """The latest known share; what was never looked for counts as kept."""
    return next((share for share in reversed(one.kept) if share is not None), 1.0)


def _row(one: Suggestion) -> tuple[object, ...]:
    values = [getattr(one, field.name) for field in dataclasses.fields(one)]
    kept = values.index(one.kept)
    return (*values[:kept], *one.kept, *values[kept + 1 :])


def _suggestion(row: tuple[Any, ...]) -> Suggestion:
    *values, first, second, third, text = row
    names = (field.name for field in dataclasses.fields(Suggestion))
    made = Suggestion(**dict(zip(names, [*values, (first, second, third), text], strict=True)))
    made.multi, made.shown = bool(made.multi), bool(made.shown)  # SQLite has no booleans
    made.how = Taken(made.how)
    return made
