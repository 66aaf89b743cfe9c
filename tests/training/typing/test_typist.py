"""The document while a body is typed into it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.evaluation.typing.typist import Edit, Typist

HEAD = "def f(items):"
TAIL = "\n\n\ndef g(): ...\n"
BODIES = {
    "python": (
        '\n    table = {\n        "a": [1, 2],\n        "b": call(items, (3,)),\n    }'
        "\n    for item in items:\n        if item:\n            return item\n\n    return None"
    ),
    "outdent": "\n    if items:\n        return 1\n    return 0",
    "brackets in text": '\n    text = "(("  # :)\n    other = f")"\n    return text',
    "closed on the last line": "\n    return call(\n        items, 1)",
    "white space at a line's end": "\n    a = 1  \n    \n    b = 2",
    "odd indentation": "\n   a = 1\n   b = 2",
}


def typed(body: str, *, close_brackets: bool = True) -> tuple[Typist, list[Edit | None]]:
    """Type a body to its end; return the typist and all strokes."""
    typist = Typist(HEAD + TAIL, len(HEAD), body, close_brackets=close_brackets)
    strokes: list[Edit | None] = []
    while not typist.done:
        strokes.append(typist.press())
        assert len(strokes) < 10 * len(body), "typing doesn't end"
    return typist, strokes


def replayed(strokes: list[Edit | None]) -> str:
    """Apply the edits to a copy of the document, as a server does."""
    text = HEAD + TAIL
    for edit in strokes:
        if edit is not None:
            text = text[: edit.start] + edit.text + text[edit.end :]
    return text


@pytest.mark.parametrize("close_brackets", [True, False])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_the_document_becomes_what_it_should(body: str, *, close_brackets: bool) -> None:
    """Whatever the editor adds, the end is the body in its place, and the edits say so too."""
    typist, strokes = typed(body, close_brackets=close_brackets)
    assert HEAD + body + TAIL == typist.text
    assert typist.text == replayed(strokes)


@given(st.text(alphabet="a( )[]{}:\n\t'é\U0001f600", min_size=1, max_size=60))
def test_any_text_can_be_typed(body: str) -> None:
    """Unbalanced brackets, tabs and blank lines end in the same text as pasting does."""
    typist, strokes = typed(body)
    assert HEAD + body + TAIL == typist.text == replayed(strokes)


def test_enter_indents_in_one_edit() -> None:
    """A line after a colon starts one level deeper, without a key for it."""
    typist = Typist(HEAD + TAIL, len(HEAD), "\n    x")
    assert Edit(len(HEAD), len(HEAD), "\n    ") == typist.press()
    assert typist.at_line_start


def test_an_opening_bracket_brings_its_partner() -> None:
    """The closing one follows the cursor, and typing it replaces it."""
    typist = Typist("", 0, "f(x)")
    typist.press()
    assert Edit(1, 1, "()") == typist.press()
    assert ("f()", 2) == (typist.text, typist.cursor)
    typist.press()
    assert Edit(3, 4, ")") == typist.press()
    assert ("f(x)", True) == (typist.text, typist.done)


def test_no_partner_before_a_word() -> None:
    """Right before other code an editor doesn't close brackets."""
    typist = Typist("rest", 0, "(")
    assert Edit(0, 0, "(") == typist.press()


def test_enter_between_brackets_opens_three_lines() -> None:
    """The partner moves to a line of its own, and the cursor later goes past it without an edit."""
    typist = Typist("", 0, "f(\n    x\n)")
    typist.press()
    typist.press()
    assert Edit(2, 2, "\n    \n") == typist.press()
    typist.press()
    assert typist.press() is None
    assert ("f(\n    x\n)", True) == (typist.text, typist.done)


def test_a_partner_nobody_wants_is_deleted() -> None:
    """A bracket that the body never closes costs a key more."""
    typist = Typist("", 0, "(")
    typist.press()
    assert not typist.done
    assert Edit(1, 2, "") == typist.press()
    assert ("(", True) == (typist.text, typist.done)


def test_agreement_counts_what_is_right() -> None:
    """Only the first characters that the body has too count."""
    typist = Typist("", 0, "return value")
    assert 7 == typist.agreement("return x")
    assert 0 == typist.agreement("x")


def test_accepted_text_moves_on() -> None:
    """It is inserted with one edit, and typing goes on after it."""
    typist = Typist("", 0, "return value")
    assert Edit(0, 0, "return ") == typist.accept("return ")
    assert "value" == typist.rest


def test_accepted_text_takes_the_editors_brackets() -> None:
    """A suggestion that replaces the closing bracket leaves none."""
    typist = Typist("", 0, "f(x)")
    typist.press()
    typist.press()
    assert Edit(2, 3, "x)") == typist.accept("x)", replaced=1)
    assert ("f(x)", True) == (typist.text, typist.done)


def test_accepted_text_that_leaves_a_bracket_costs_a_key() -> None:
    """The editor's bracket, doubled by the suggestion, is deleted."""
    typist = Typist("", 0, "f(x)")
    typist.press()
    typist.press()
    typist.accept("x)")
    assert "f(x))" == typist.text
    typist.press()
    assert ("f(x)", True) == (typist.text, typist.done)


def test_nothing_is_right_behind_a_slip() -> None:
    """Wrong characters before the cursor, or wrong indentation, leave nothing to agree with."""
    typist = Typist("", 0, "return")
    typist.slip("e")
    assert (0, False) == (typist.agreement("return"), typist.on_track)
    typist.unslip()
    assert 6 == typist.agreement("return")


@pytest.mark.parametrize("seed", range(5))
def test_accepting_anything_right_ends_in_the_same_text(seed: int) -> None:
    """Keys and accepted pieces of any length, mixed, give the body."""
    chance = random.Random(seed)  # noqa: S311 - repeatable
    body = BODIES["python"]
    typist = Typist(HEAD + TAIL, len(HEAD), body)
    while not typist.done:
        if typist.on_track and typist.rest and chance.random() < 0.3:
            typist.accept(typist.rest[: chance.randint(1, 30)])
        else:
            typist.press()
    assert HEAD + body + TAIL == typist.text
