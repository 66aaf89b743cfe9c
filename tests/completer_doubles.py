"""Engines and documents for tests of the completer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable

import pytest

from fimls.engines.scripted import Rule, ScriptedEngine
from fimls.types import CancelToken, Delta, Document, Prompt, SamplingParams

SLOW_MS = 20.0
SLOW = Rule(after="slow = ", insert=("abcdefghijklmnopqrstuvwxyz",), delay_ms=SLOW_MS)


class WatchedEngine(ScriptedEngine):
    """Notes what it is asked, what it gave, and how many generations are under way."""

    def __init__(self, *rules: Rule) -> None:
        super().__init__(rules)
        self.asked: list[SamplingParams] = []
        self.given: list[Delta] = []
        self.running = 0

    async def generate(
        self, prompt: Prompt, sampling: SamplingParams, cancel: CancelToken
    ) -> AsyncGenerator[Delta, None]:
        """As the scripted engine, with a note of everything."""
        self.asked.append(sampling)
        self.running += 1
        try:
            async with contextlib.aclosing(super().generate(prompt, sampling, cancel)) as deltas:
                async for delta in deltas:
                    self.given.append(delta)
                    yield delta
        finally:
            self.running -= 1


class DeafEngine(WatchedEngine):
    """Never looks at its cancel token."""

    async def generate(
        self, prompt: Prompt, sampling: SamplingParams, cancel: CancelToken
    ) -> AsyncGenerator[Delta, None]:
        """As the scripted engine, whatever is cancelled."""
        del cancel
        async with contextlib.aclosing(super().generate(prompt, sampling, CancelToken())) as deltas:
            async for delta in deltas:
                yield delta


def document(text: str, uri: str = "file:///a.py", language_id: str = "python") -> Document:
    """Make a snapshot of a document."""
    return Document(uri=uri, language_id=language_id, version=1, text=text)


def cursor(code: str, **fields: str) -> tuple[Document, int]:
    """Make a document from code with the cursor at ``¦``, and the cursor's offset."""
    return document(code.replace("¦", ""), **fields), code.index("¦")


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that other tasks or threads do, but not for ever."""
    for _ in range(30_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    pytest.fail("it never happened")
