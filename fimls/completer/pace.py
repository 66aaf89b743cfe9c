"""When to hold a request back: only while the engine can't keep up with the typist."""

from __future__ import annotations

import time

_WEIGHT = 0.3  # of the latest value in a running mean
_PAUSE_MS = 1000.0  # a longer interval is a pause, not a rhythm
_HOLD_MS_MAX = 150.0


class Pace:
    """One document's typing rhythm against the engine's speed.

    A generation that is given up without having been of use is wasted, and the next one waits for
    its last step. So after one was, the next request waits about a key's interval for another key;
    with an engine that answers between two keys nothing ever waits.
    """

    def __init__(self) -> None:
        self._interval_ms = 0.0
        self._answer_ms = 0.0
        self._last_key: float | None = None
        self._wasted = False

    def key(self) -> None:
        """Note a keystroke."""
        now = time.monotonic()
        if self._last_key is not None:
            interval_ms = (now - self._last_key) * 1000
            if interval_ms < _PAUSE_MS:
                self._interval_ms = _mean(self._interval_ms, interval_ms)
        self._last_key = now

    def answered(self, elapsed_ms: float) -> None:
        """Note how long the engine took to something that could be shown."""
        self._answer_ms = _mean(self._answer_ms, elapsed_ms)
        self._wasted = False

    def wasted(self, elapsed_ms: float) -> None:
        """Note that a generation was given up after ``elapsed_ms`` before it was of use."""
        self._answer_ms = max(self._answer_ms, elapsed_ms)
        self._wasted = True

    def hold_ms(self) -> float:
        """How long the next request should wait."""
        if not self._wasted or self._answer_ms <= self._interval_ms:
            return 0.0
        return min(self._interval_ms, _HOLD_MS_MAX)


def _mean(old: float, new: float) -> float:
    return new if old == 0 else (1 - _WEIGHT) * old + _WEIGHT * new
