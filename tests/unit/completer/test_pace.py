from __future__ import annotations

import pytest

from fimls.completer.pace import Pace


class Clock:
    """A clock that is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr("fimls.completer.pace.time.monotonic", lambda: self.now)


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
