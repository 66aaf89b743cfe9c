"""Engines that were replaced, closed once nobody waits for them."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator

from fimls.completer import Completer


class Drain:
    """Counts the requests of each completer, and closes a completer after its last one.

    A request ends by its deadline, so that a replaced engine's memory comes back soon.
    """

    def __init__(self) -> None:
        self._requests: Counter[Completer] = Counter()
        self._leaving: set[Completer] = set()
        self._closing: set[asyncio.Task[None]] = set()

    @contextlib.contextmanager
    def using(self, completer: Completer) -> Iterator[None]:
        """Hold a completer open for a request."""
        self._requests[completer] += 1
        try:
            yield
        finally:
            self._requests[completer] -= 1
            if not self._requests[completer]:
                del self._requests[completer]
                if completer in self._leaving:
                    self._close(completer)

    def close_when_unused(self, completer: Completer) -> None:
        """Close a completer that gets no more requests, now or after its last one."""
        if completer in self._requests:
            self._leaving.add(completer)
        else:
            self._close(completer)

    async def aclose(self) -> None:
        """Close all that were to be closed, whoever waits for them."""
        for completer in list(self._leaving):
            self._close(completer)
        await asyncio.gather(*self._closing, return_exceptions=True)

    def _close(self, completer: Completer) -> None:
        self._leaving.discard(completer)
        closing = asyncio.create_task(completer.aclose())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
