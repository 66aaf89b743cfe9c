"""Time in tests that must not depend on how fast, or how busy, the machine is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

HANG_S = 60.0
"""Whatever takes so long is taken to hang: no test asserts that anything is faster."""


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


async def until(condition: Callable[[], object]) -> None:
    """Wait for what a thread, another process or the loop's other tasks do; a hang fails."""

    async def look() -> None:
        while not condition():  # noqa: ASYNC110 - nobody there sets an event
            await asyncio.sleep(0.01)

    await asyncio.wait_for(look(), HANG_S)
