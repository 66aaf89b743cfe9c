from __future__ import annotations

import pytest

from tests.training.evaluation.rows import make_item
from training.evaluation.answers import Answer
from training.evaluation.execution import Verdict
from training.evaluation.metrics import identifier_f1, parses, saved_characters, score


def passes_if_right(text: str) -> Verdict:
    """Judge by a word in the text."""
    return Verdict(passed="1" in text, detail="" if "1" in text else "wrong")


def test_reference_is_perfect() -> None:
    """What a person wrote scores full marks in everything."""
    found = score(make_item(judge=passes_if_right), Answer(("x = 1",)))
    assert (True, True, 1.0, 1.0, True) == (
        found.exact,
        found.first_line,
        found.similarity,
        found.identifier_f1,
        found.parses,
    )
    assert (5, 5, (True,), "") == (
        found.saved_characters,
        found.reference_characters,
        found.passed,
        found.detail,
    )


def test_nothing_shown_is_judged_as_the_file_without_it() -> None:
    """No completion is an answer too: it may pass, and it saves nothing."""
    found = score(make_item(judge=passes_if_right), Answer((), suppressed="empty"))
    assert (False, 0.0, 0, (False,), "wrong") == (
        found.exact,
        found.similarity,
        found.saved_characters,
        found.passed,
        found.detail,
    )


def test_every_candidate_has_its_verdict() -> None:
    """pass@k needs all of them; everything else looks at the first."""
    found = score(make_item(judge=passes_if_right), Answer(("x = 2", "x = 1")))
    assert ((False, True), False) == (found.passed, found.exact)


@pytest.mark.parametrize(
    ("text", "f1"),
    [
        pytest.param("total = price", 1.0, id="same names"),
        pytest.param("total = tax", 0.5, id="one of two"),
        pytest.param("1 + 1", 0.0, id="none"),
        pytest.param("total = price + total", 1.0, id="a name counts once"),
    ],
)
def test_identifier_f1(text: str, f1: float) -> None:
    """Sets of names are compared, keywords aside."""
    assert f1 == identifier_f1(text, "total = price", "python")


def test_identifier_f1_without_names() -> None:
    """Where nobody uses a name there is nothing to compare."""
    assert identifier_f1("1", "2", "python") is None


@pytest.mark.parametrize(
    ("text", "right"),
    [("y = 2", True), ("y = (2", False), ("def f(:", False), ("x = 1", True)],
)
def test_parses(*, text: str, right: bool) -> None:
    """A text that adds a syntax error doesn't parse."""
    assert right is parses(make_item(), text)


def test_parses_is_fair_where_the_file_is_broken() -> None:
    """An error that the reference has too isn't the completion's."""
    assert parses(make_item(suffix="\ndef broken(:\n"), "y = 2") is True


def test_parses_is_unknown_without_a_grammar() -> None:
    """Nobody can tell for a language without a grammar."""
    assert parses(make_item(language_id="plaintext"), "y") is None


@pytest.mark.parametrize(
    ("text", "saved"),
    [
        pytest.param("abc = 1\n    defg()", 14, id="all, but for the indentation"),
        pytest.param("abc = 1\n    wrong", 7, id="its first line"),
        pytest.param("abc = 1", 7, id="less than there is"),
        pytest.param("abc = 2", 0, id="half a line is of no use"),
        pytest.param("ab", 0, id="too little to be taken"),
    ],
)
def test_saved_characters(text: str, saved: int) -> None:
    """A person takes all of a text, or its first lines that are right."""
    assert saved == saved_characters(text, "abc = 1\n    defg()")
