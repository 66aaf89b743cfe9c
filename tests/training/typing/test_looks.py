"""What an editor shows of an answer, and what a typist takes of it."""

from __future__ import annotations

from typing import Any

import pytest

from training.evaluation.typing.looks import Suggestion, suggestions_of, taken_length
from training.evaluation.typing.typist import Typist

TEXT = "a = '\U0001f600'\nreturn (x)\n"
CURSOR = TEXT.index("x") + 1


def item(text: str, start: int, end: int, line: int = 1) -> dict[str, Any]:
    """An item whose range is on one line."""
    edges = {"start": start, "end": end}
    span = {name: {"line": line, "character": value} for name, value in edges.items()}
    return {"insertText": text, "range": span}


def test_an_empty_range_inserts() -> None:
    """A range at the cursor, or none, puts the text there."""
    shown = suggestions_of({"items": [item(".y", 9, 9), {"insertText": ".z"}]}, TEXT, CURSOR)
    assert (Suggestion(".y"), Suggestion(".z")) == shown


def test_a_range_may_replace_what_follows_the_cursor() -> None:
    """The closing bracket is replaced by the suggestion's own."""
    assert (Suggestion(".y)", 1),) == suggestions_of([item(".y)", 9, 10)], TEXT, CURSOR)


def test_a_range_may_begin_before_the_cursor() -> None:
    """The item repeats the text there, which isn't shown again."""
    assert (Suggestion(".y"),) == suggestions_of([item("x.y", 8, 9)], TEXT, CURSOR)


@pytest.mark.parametrize("wrong", [item("z", 8, 9), item("z", 0, 0, line=0), {"insertText": 1}])
def test_an_item_that_does_not_fit_is_not_shown(wrong: dict[str, Any]) -> None:
    """Items that change typed text, or lie elsewhere, are left out."""
    assert () == suggestions_of({"items": [wrong]}, TEXT, CURSOR)


@pytest.mark.parametrize("result", [None, {}, {"items": None}, 1])
def test_no_items_is_nothing_shown(result: Any) -> None:
    """Whatever a server answers, nothing breaks."""
    assert () == suggestions_of(result, TEXT, CURSOR)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("return a", "return a"),
        ("return a\n    more", "return a\n    more"),
        ("return a\n    less", "return a"),
        ("return a\n    more + b\n    x", "return a\n    more + b"),
        ("ret", "ret"),
        ("re", ""),  # a key for two characters saves too little
        ("return b", ""),
        ("ret\n    more", ""),  # the body's line goes on there
    ],
)
def test_what_is_taken(text: str, expected: str) -> None:
    """All of it, or the lines that are right to their ends."""
    typist = Typist("", 0, "return a\n    more + b")
    assert expected == text[: taken_length(text, typist.rest, typist.agreement(text))]
