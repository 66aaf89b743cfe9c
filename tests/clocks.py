"""Time in tests that must not depend on how fast, or how busy, the machine is."""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable
from typing import Any

import pytest

HANG_S = 60.0
"""Whatever takes so long is taken to hang: no test asserts that anything is faster."""

_TURN_S = 1e-6  # not 0: who asks again whether a moment has come would ask for ever


class LoopClock:
    """The running event loop's clock, which a test may put forward."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        self._time, self._ahead_s = loop.time, 0.0
        monkeypatch.setattr(loop, "time", self.monotonic)

    def monotonic(self) -> float:
        """Seconds; also where a module's ``time`` is replaced by this clock."""
        return self._time() + self._ahead_s

    def put_forward(self, seconds: float) -> None:
        """Let time pass: the loop's timers come when it next looks at them."""
        self._ahead_s += seconds


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


async def until(condition: Callable[[], object]) -> None:
    """Wait for what a thread, another process or the loop's other tasks do; a hang fails."""

    async def look() -> None:
        while not condition():  # noqa: ASYNC110 - nobody there sets an event
            await asyncio.sleep(0.01)

    await asyncio.wait_for(look(), HANG_S)
