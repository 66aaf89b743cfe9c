from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

from fimls.feedback import FeedbackStore, Suggestion, Taken, kept_share, summarize
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
    after = _suggestion("a", shown=True, accepted=12, how=Taken.WHOLE, kept=(1.0, 0.5, None))
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


def _shown(language: str, **changes: object) -> Suggestion:
    return _suggestion("x", language=language, shown=True, **changes)


def test_acceptance_counts_whole_and_part_of_what_was_shown() -> None:
    """Two of four were taken, one whole and one in part."""
    group = [
        _shown("python", accepted=10, how=Taken.WHOLE),
        _shown("python", accepted=4, how=Taken.PART),
        _shown("python"),
        _shown("python"),
    ]
    line = summarize(group)[0]
    assert (4, 1, 1, 14, 0.5) == (
        line.shown,
        line.accepted,
        line.partly,
        line.accepted_characters,
        line.acceptance,
    )


def test_kept_characters_follow_the_last_known_share() -> None:
    """A text half gone after two minutes counts half; one never looked for counts whole."""
    group = [
        _shown("go", accepted=10, how=Taken.WHOLE, kept=(1.0, 0.5, None)),
        _shown("go", accepted=10, how=Taken.WHOLE),
    ]
    line = summarize(group)[0]
    assert 15 == line.kept_characters
    assert (1.0, 1.0, None) == line.kept


def test_groups_stand_in_order() -> None:
    """One line for each language, sorted."""
    group = [_shown("python"), _shown("go")]
    assert ["go", "python"] == [line.name for line in summarize(group, "language")]


def test_what_was_never_shown_is_not_counted() -> None:
    """An answer that came too late to be seen says nothing about acceptance."""
    assert 0 == summarize([_suggestion("x", shown=False)])[0].shown


def test_unchanged_text_is_kept_whole_wherever_edits_moved_it() -> None:
    """Lines that were added above don't count against it."""
    assert 1.0 == kept_share("return a + b", "# a new line\n" * 20 + "    return a + b\n", 4)


def test_deleted_text_is_not_kept() -> None:
    """What is gone is gone, whatever else stands there."""
    assert kept_share("return self.width * self.height", "def area(self):\n    pass\n", 20) < 0.5


def test_edited_text_is_kept_in_part() -> None:
    """A small edit leaves most of it."""
    share = kept_share("return self.width * self.height", "return self.width * self.depth", 0)
    assert share == pytest.approx(0.85, abs=0.12)


def test_a_far_copy_does_not_count() -> None:
    """Only the text around its place is searched: the same text elsewhere is somebody else's."""
    assert kept_share("return a + b", "x" * 10_000 + "return a + b", 0) < 0.5
