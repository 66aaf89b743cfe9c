"""Ctrl-C that finishes what it is at, saves, and only then ends."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Whether somebody asked the run to stop."""

    def __init__(self) -> None:
        self.asked = False

    @contextlib.contextmanager
    def watched(self) -> Iterator[Interruption]:
        """Turn the first SIGINT or SIGTERM into ``asked``; the second ends the process as usual."""
        if threading.current_thread() is not threading.main_thread():
            yield self  # only the main thread may change handlers
            return
        previous: dict[signal.Signals, Any] = {}

        def ask(number: int, _frame: FrameType | None) -> None:
            self.asked = True
            signal.signal(number, previous[signal.Signals(number)])

        for one in _SIGNALS:
            previous[one] = signal.signal(one, ask)
        try:
            yield self
        finally:
            for one, handler in previous.items():
                signal.signal(one, handler)
