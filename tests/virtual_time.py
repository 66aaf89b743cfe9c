"""Time that passes only while an event loop waits: no test of waiting depends on the machine."""

from __future__ import annotations

import asyncio
import selectors
import time
from typing import Any

import pytest

_TURN_S = 1e-6  # not 0: who asks again whether a moment has come would ask for ever


class VirtualTime:
    """The clock of a loop and of all that runs in it.

    A turn of the loop takes a microsecond, whatever runs in it. When nothing is left to run the
    clock jumps to the next timer, so a test takes no real time and timers fire in the order of
    their times, however busy the machine is. Not for tests that wait for a thread, a process or
    a socket: while those work, the clock would jump.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch) -> None:
        self._now = time.monotonic()
        selector: selectors.BaseSelector = loop._selector  # type: ignore[attr-defined]
        select = selector.select

        def jump(timeout: float | None = None) -> list[tuple[selectors.SelectorKey, Any]]:
            if timeout is None:
                return select(None)
            self._now += _TURN_S
            events = select(0)
            if not events:
                self._now += timeout
            return events

        monkeypatch.setattr(selector, "select", jump)
        for clock in ("monotonic", "perf_counter"):
            monkeypatch.setattr(time, clock, lambda: self._now)

    @property
    def ms(self) -> float:
        """The time in milliseconds, counted from some moment."""
        return self._now * 1000
