from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

from fimls.feedback import FeedbackStore, Suggestion
from fimls.types import StoreError


def _suggestion(name: str, **changes: object) -> Suggestion:
    one = Suggestion(name, time.time(), "python", "0.5b", "", False, 12, 34.5)
    for key, value in changes.items():
        setattr(one, key, value)
    return one


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Every field comes back, and a later write of the same id replaces the earlier."""
    store = FeedbackStore(tmp_path / "state" / "feedback.sqlite")
    store.write([_suggestion("a"), _suggestion("b", multi=True)])
    after = _suggestion("a", shown=True, accepted=12, how="whole", kept=(1.0, 0.5, None))
    store.write([after])
    assert [after] == [one for one in store.read() if one.id == "a"]
    assert {"a", "b"} == {one.id for one in store.read()}


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    """Nobody else on the machine reads how somebody works."""
    store = FeedbackStore(tmp_path / "feedback.sqlite")
    store.write([_suggestion("a")])
    assert 0o600 == store.path.stat().st_mode & 0o777


def test_old_ones_are_forgotten(tmp_path: Path) -> None:
    """After 400 days a suggestion is deleted at the next write."""
    store = FeedbackStore(tmp_path / "feedback.sqlite")
    store.write([_suggestion("old", at=time.time() - 500 * 86_400)])
    store.write([_suggestion("new")])
    assert ["new"] == [one.id for one in store.read()]


def test_a_damaged_file_costs_no_completion_but_is_told_when_read(tmp_path: Path) -> None:
    """Writing goes on without a word; reading says what to do, and clearing does it."""
    store = FeedbackStore(tmp_path / "feedback.sqlite")
    store.path.write_bytes(b"not a database" * 100)
    store.write([_suggestion("a")])
    with pytest.raises(StoreError, match="can't be read") as raised:
        store.read()
    assert "--clear" in raised.value.hint
    store.clear()
    store.write([_suggestion("a")])
    assert ["a"] == [one.id for one in store.read()]


def test_a_later_version_is_not_touched(tmp_path: Path) -> None:
    """An older program neither reads nor changes what it doesn't know."""
    store = FeedbackStore(tmp_path / "feedback.sqlite")
    with sqlite3.connect(store.path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    store.write([_suggestion("a")])
    with pytest.raises(StoreError, match="later version"):
        store.read()
