"""A clock for what waits."""

from __future__ import annotations

import asyncio

import pytest

from tests.clocks import VirtualTime


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> VirtualTime:
    """The time that keystrokes, engines and their limits share; it passes only where they wait."""
    return VirtualTime(asyncio.get_running_loop(), monkeypatch)
