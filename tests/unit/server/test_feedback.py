from __future__ import annotations

from pathlib import Path

import pytest

from fimls.config import Settings
from fimls.feedback import FeedbackStore, Suggestion
from fimls.server.documents import Documents
from fimls.server.feedback import Feedback
from fimls.types import Completion, Document

URI = "file:///repository/a.py"


@pytest.fixture
def documents() -> Documents:
    """One open document."""
    made = Documents("utf-16")
    made.open(URI, "python", 1, "return ")
    return made


@pytest.fixture
def store(tmp_path: Path) -> FeedbackStore:
    """An empty store."""
    return FeedbackStore(tmp_path / "feedback.sqlite")


def _document(text: str) -> Document:
    return Document(URI, "python", 1, text)


def _item(completion_id: str) -> dict[str, object]:
    return {"item": {"command": {"command": "fimls.accepted", "arguments": [completion_id]}}}


def _answer(recorder: Feedback, completion_id: str, text: str, document: str = "return ") -> None:
    completion = Completion(completion_id, text, len(document), len(document))
    recorder.answered(
        _document(document), [completion], latency_ms=12.0, model="0.5b", adapter="mine"
    )


async def _stored(recorder: Feedback, store: FeedbackStore) -> list[Suggestion]:
    await recorder.aclose()
    return store.read()


async def test_shown_and_taken_is_stored(documents: Documents, store: FeedbackStore) -> None:
    """One row: what it was, how it was taken, and no code."""
    recorder = Feedback(documents, store)
    _answer(recorder, "1.c1", "a + b")
    recorder.shown(_item("1.c1"))
    recorder.accepted("1.c1")
    assert {"shown": 1, "accepted": 1, "partiallyAccepted": 0} == recorder.counts()
    row = (await _stored(recorder, store))[0]
    assert ("python", "0.5b", "mine", 5, True, 5, "whole", "") == (
        row.language,
        row.model,
        row.adapter,
        row.characters,
        row.shown,
        row.accepted,
        row.how,
        row.text,
    )


async def test_typed_along_it_is_one_suggestion(documents: Documents, store: FeedbackStore) -> None:
    """Each key has an answer with an id of its own; the person saw one suggestion."""
    recorder = Feedback(documents, store)
    _answer(recorder, "1.c1", "a + b")
    recorder.shown(_item("1.c1"))
    _answer(recorder, "1.c2", " + b", "return a")
    recorder.shown(_item("1.c2"))
    recorder.accepted("1.c2")
    row = (await _stored(recorder, store))[0]
    assert (1, 4, "whole") == (recorder.counts()["shown"], row.accepted, row.how)


async def test_a_word_counts_in_utf16_units(documents: Documents, store: FeedbackStore) -> None:
    """The wire's length is in UTF-16; what is counted are characters."""
    recorder = Feedback(documents, store)
    _answer(recorder, "1.c1", "🌳 tree")
    recorder.partially_accepted({**_item("1.c1"), "acceptedLength": 3})
    row = (await _stored(recorder, store))[0]
    assert (2, "part") == (row.accepted, row.how)


async def test_what_was_taken_is_looked_for_later(
    documents: Documents, store: FeedbackStore
) -> None:
    """At each check the share that is still there is stored."""
    recorder = Feedback(documents, store)
    _answer(recorder, "1.c1", "a + b")
    recorder.accepted("1.c1")
    known = recorder._known["1.c1"]
    documents.open(URI, "python", 2, "return a + b\n")
    recorder._check(known, 0)
    documents.open(URI, "python", 3, "pass\n")
    recorder._check(known, 1)
    row = (await _stored(recorder, store))[0]
    assert 1.0 == row.kept[0]
    assert row.kept[1] is not None
    assert row.kept[1] < 0.5
    assert row.kept[2] is None


async def test_off_keeps_nothing(documents: Documents, store: FeedbackStore) -> None:
    """The setting ends the writing, not the counting of this session."""
    recorder = Feedback(documents, store)
    recorder.configure(Settings(feedback=False))
    _answer(recorder, "1.c1", "a + b")
    recorder.shown(_item("1.c1"))
    recorder.accepted("1.c1")
    assert [] == await _stored(recorder, store)
    assert not store.path.exists()


async def test_code_is_kept_only_if_asked_for(documents: Documents, store: FeedbackStore) -> None:
    """The texts are stored once `feedback_code` is set."""
    recorder = Feedback(documents, store)
    recorder.configure(Settings(feedback_code=True))
    _answer(recorder, "1.c1", "a + b")
    recorder.shown(_item("1.c1"))
    assert ["a + b"] == [one.text for one in await _stored(recorder, store)]


async def test_others_items_count_for_nothing(documents: Documents, store: FeedbackStore) -> None:
    """Another server's item, or nonsense, is ignored."""
    recorder = Feedback(documents, store)
    nonsense: list[object] = [None, {}, {"item": {}}, {"item": {"command": {"arguments": [7]}}}]
    for params in nonsense:
        recorder.shown(params)
        recorder.partially_accepted(params)
    recorder.accepted("unknown")
    assert {"shown": 0, "accepted": 0, "partiallyAccepted": 0} == recorder.counts()
