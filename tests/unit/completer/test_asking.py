"""What is asked, and when: the suffix that a prompt keeps, where to ask, and how often."""

from __future__ import annotations

import pytest

from fimls.completer.asking import Pace, SteadySuffixes, may_complete_here
from tests.unit.postprocess.cursor import context

BELOW = "\n\n    def next(self):\n        return 1\n"


@pytest.mark.parametrize("start", [")", "\n    )", "\n        }\n    )", '"', "  ", ","])
def test_closers_leave_it_as_it_is(start: str) -> None:
    """Closers and blank space that come and go in front don't change what is shown."""
    suffixes = SteadySuffixes()
    assert BELOW == suffixes.steady("a", BELOW)
    assert BELOW == suffixes.steady("a", start + BELOW)
    assert BELOW == suffixes.steady("a", BELOW)


@pytest.mark.parametrize(
    "other", ["\n    x = 1" + BELOW, "\n\n    def other(self): ...\n", "", " " * 300 + BELOW]
)
def test_other_code_is_shown(other: str) -> None:
    """Another place, or an edit of the code below, is shown as it is."""
    suffixes = SteadySuffixes()
    suffixes.steady("a", BELOW)
    assert other == suffixes.steady("a", other)


def test_documents_are_apart() -> None:
    """Each document has a suffix of its own, until it is closed."""
    suffixes = SteadySuffixes()
    suffixes.steady("a", BELOW)
    assert ")" + BELOW == suffixes.steady("b", ")" + BELOW)
    suffixes.forget("a")
    assert ")" + BELOW == suffixes.steady("a", ")" + BELOW)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("x = ¦\ny", True),
        ("x = ¦", True),
        ("f(¦)", True),
        ("f(g(¦));", True),
        ('f("¦")', True),
        ("if (¦) {", True),
        ("if f(¦):\r\n    pass", True),
        ("x = [¦] ,", True),
        ("x = ¦ + 1", False),
        ("na¦me", False),
        ("f(¦, b)", False),
        ("¦x = 1", False),
    ],
)
def test_may_complete_here(code: str, *, expected: bool) -> None:
    """In front of code on the line nothing is asked for; closers and a header's end don't count."""
    assert expected == may_complete_here(context(code))


class Clock:
    """A clock that is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr("fimls.completer.asking.time.monotonic", lambda: self.now)


def typed(clock: Clock, *intervals_ms: float) -> Pace:
    """A pace after keystrokes at these intervals."""
    made = Pace()
    made.key()
    for interval_ms in intervals_ms:
        clock.now += interval_ms / 1000
        made.key()
    return made


def test_a_fast_engine_is_never_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that answers between two keys is asked at each, even after a wasted request."""
    made = typed(Clock(monkeypatch), 100, 100)
    made.wasted(50)
    assert 0 == made.hold_ms()


def test_a_slow_engine_is_held_back_after_waste(monkeypatch: pytest.MonkeyPatch) -> None:
    """While requests are given up before they are of use, the next waits for another key."""
    made = typed(Clock(monkeypatch), 100, 100)
    made.wasted(400)
    assert 100 == pytest.approx(made.hold_ms())
    made.answered(400)
    assert 0 == made.hold_ms()


def test_pauses_are_no_rhythm(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause doesn't count as an interval, and nobody waits longer than the most."""
    made = typed(Clock(monkeypatch), 100, 30_000)
    made.wasted(400)
    assert 100 == pytest.approx(made.hold_ms())
    slow = typed(Clock(monkeypatch), 900, 900)
    slow.wasted(5000)
    assert 150 == slow.hold_ms()
