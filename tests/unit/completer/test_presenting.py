"""The order of several candidates, and the confidence in one."""

from __future__ import annotations

import math

import pytest

from fimls.completer import confidence
from fimls.completer.presenting import rank
from fimls.postprocess import Processed
from fimls.types import FinishReason, Generation, Mode
from tests.unit.postprocess.cursor import context


def candidate(
    text: str, *logprobs: float, suppressed: str | None = None
) -> tuple[Generation, Processed]:
    """A generation and what was left of it."""
    return Generation((), text, logprobs, FinishReason.STOP), Processed(text, suppressed, ())


def test_confidence() -> None:
    """Confidence is the geometric mean of the token probabilities, None without them."""
    assert confidence(()) is None
    assert 0.5 == pytest.approx(confidence((math.log(0.25), math.log(1.0))))


def test_likelier_first() -> None:
    """Without errors the mean log-likelihood decides, not the sum."""
    drafts = [candidate("a", -2.0), candidate("b", -1.0, -1.0), candidate("c + d", -0.5, -0.5)]
    assert [2, 1, 0] == rank(drafts, context("x = ¦\n", Mode.SINGLE))


@pytest.mark.parametrize(
    ("code", "language_id", "broken", "sound"),
    [
        ("def f():\n    ¦\n    b()\n", "python", "return a", "a()"),
        ("def f():\n    ¦\n    b()\n", "python", "for x in y:", "a()"),
        ("x = ¦\n", "python", "a +", "a"),
        ("if (¦) {\n}\n", "javascript", "a ===", "a"),
        ("fn f() {\n    ¦\n}\n", "rust", "let = 1;", "let a = 1;"),
        ("int a = ¦;\n", "c", "1 2", "1"),
    ],
)
def test_errors_count_before_likelihood(
    code: str, language_id: str, broken: str, sound: str
) -> None:
    """A candidate that leaves errors comes after one that doesn't, however likely it is."""
    drafts = [candidate(broken, -0.1), candidate(sound, -3.0)]
    assert [1, 0] == rank(drafts, context(code, language_id=language_id))


def test_agreement_counts_before_likelihood() -> None:
    """What several candidates say comes before what one says with more confidence."""
    drafts = [candidate("a", -0.1), candidate("b", -0.5), candidate("b", -0.4)]
    assert [2, 0] == rank(drafts, context("x = ¦\n"))


def test_shows_each_text_once() -> None:
    """Of the same texts the likeliest is shown, suppressed candidates never; equals keep order."""
    drafts = [candidate("", suppressed="empty"), candidate("a", -1.0), candidate("b", -1.0)]
    assert [1, 2] == rank(drafts, context("x = ¦\n"))
    assert [3, 2] == rank([*drafts, candidate("a", -0.1)], context("x = ¦\n"))
    assert [] == rank([], context("¦"))
    assert [] == rank(drafts[:1], context("¦"))


def test_without_log_probabilities() -> None:
    """An engine without log-probabilities keeps its own order."""
    drafts = [candidate("a"), candidate("b")]
    assert [0, 1] == rank(drafts, context("x = ¦\n"))
