"""Engines in common: loaded once, closed after their last user."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fimls.config import Settings
from fimls.engines.scripted import ScriptedEngine
from fimls.server import pool as pool_module
from fimls.server.pool import EnginePool
from fimls.store import Store
from fimls.types import EngineError
from tests.completer_doubles import until


class Loader:
    """In place of ``load_engine``: waits until it may go on, and keeps what it loaded."""

    def __init__(self) -> None:
        self.started = 0
        self.done = 0
        self.cancelled = 0
        self.closed: list[str] = []
        self.failure: Exception | None = None
        self.may_go_on = asyncio.Event()

    async def load(self, settings: Settings, *_: Any, **__: Any) -> ScriptedEngine:
        """As ``load_engine``."""
        self.started += 1
        try:
            await self.may_go_on.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.failure is not None:
            raise self.failure
        self.done += 1
        closed = self.closed

        class Engine(ScriptedEngine):
            async def aclose(self) -> None:
                closed.append(settings.model)

        return Engine(())


@pytest.fixture
def loader(monkeypatch: pytest.MonkeyPatch) -> Loader:
    """The pool's loader."""
    loader = Loader()
    monkeypatch.setattr(pool_module, "load_engine", loader.load)
    return loader


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty one."""
    return Store(tmp_path)


async def test_the_same_settings_share(loader: Loader, store: Store) -> None:
    """What isn't the engine's business makes no other engine; the last user closes it, once."""
    pool = EnginePool()
    loader.may_go_on.set()
    one = await pool.acquire(Settings(model="a"), store)
    same = await pool.acquire(Settings(model="a", candidates=3), store)
    other = await pool.acquire(Settings(model="b"), store)
    assert loader.started == 2
    await one.aclose()
    await one.aclose()
    assert [] == loader.closed
    await same.aclose()
    assert ["a"] == loader.closed
    await other.aclose()
    assert ["a", "b"] == loader.closed
    await pool.acquire(Settings(model="a"), store)
    assert loader.started == 3


async def test_a_user_who_leaves_while_it_loads(loader: Loader, store: Store) -> None:
    """The others get it; with the last of them loading is given up."""
    pool = EnginePool()
    first, second = (asyncio.create_task(pool.acquire(Settings(), store)) for _ in range(2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait({first})
    loader.may_go_on.set()
    await (await second).aclose()
    assert (1, 0, 1) == (loader.started, loader.cancelled, len(loader.closed))
    loader.may_go_on.clear()
    third = asyncio.create_task(pool.acquire(Settings(), store))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    third.cancel()
    await asyncio.wait({third})
    assert (1, 1) == (loader.cancelled, len(loader.closed))


async def test_a_failure_reaches_everybody(loader: Loader, store: Store) -> None:
    """And isn't kept: the next who asks loads again."""
    pool = EnginePool()
    loader.failure = EngineError("no memory")
    loader.may_go_on.set()
    users = (pool.acquire(Settings(), store) for _ in range(2))
    failures = await asyncio.gather(*users, return_exceptions=True)
    assert [EngineError, EngineError] == [type(failure) for failure in failures]
    loader.failure = None
    await pool.acquire(Settings(), store)
    assert loader.started == 2


async def test_anew(loader: Loader, store: Store) -> None:
    """A reload gets its own engine; who had the earlier one keeps it, who comes gets the new."""
    pool = EnginePool()
    loader.may_go_on.set()
    early = await pool.acquire(Settings(), store)
    fresh = await pool.acquire(Settings(), store, anew=True)
    late = await pool.acquire(Settings(), store)
    assert loader.started == 2
    await early.aclose()
    assert 1 == len(loader.closed)
    await fresh.aclose()
    assert 1 == len(loader.closed)
    await late.aclose()
    assert 2 == len(loader.closed)


@pytest.fixture
def converted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every model is there, as the engine reads it."""
    monkeypatch.setattr(pool_module, "_converted", lambda settings, _store: settings)


@pytest.mark.usefixtures("converted")
async def test_what_was_preloaded_is_what_the_first_user_gets(loader: Loader, store: Store) -> None:
    """It loads while nobody has asked yet, once, and lives as long as its user."""
    pool = EnginePool()
    pool.preload(Settings(model="a"), store)
    await until(lambda: loader.started == 1)
    loader.may_go_on.set()
    engine = await pool.acquire(Settings(model="a"), store)
    assert (1, 0, []) == (loader.started, loader.cancelled, loader.closed)
    await engine.aclose()
    await until(lambda: loader.closed == ["a"])


@pytest.mark.usefixtures("converted")
async def test_preloading_ends_when_something_else_is_wanted(loader: Loader, store: Store) -> None:
    """A wrong guess costs what was loaded so far."""
    pool = EnginePool()
    pool.preload(Settings(model="a"), store)
    await until(lambda: loader.started == 1)
    loader.may_go_on.set()
    await until(lambda: loader.done == 1)
    await pool.acquire(Settings(model="b"), store)
    await until(lambda: loader.closed == ["a"])
    assert 2 == loader.started


@pytest.mark.usefixtures("converted")
async def test_preloading_is_cancelled(loader: Loader, store: Store) -> None:
    """An editor that leaves at once leaves nothing behind; a failure is nobody's."""
    pool = EnginePool()
    pool.preload(Settings(model="a"), store)
    await until(lambda: loader.started == 1)
    pool.cancel_preload()
    await until(lambda: loader.cancelled == 1)
    loader.failure = EngineError("broken")
    loader.may_go_on.set()
    pool.preload(Settings(model="a"), store)
    await until(lambda: loader.started == 2 and not pool._shared)
    with pytest.raises(EngineError, match="broken"):
        await pool.acquire(Settings(model="a"), store)


async def test_nothing_is_converted_unasked(loader: Loader, store: Store) -> None:
    """That shows its progress, and is the session's to begin; so is what isn't there at all."""
    pool = EnginePool()
    pool.preload(Settings(), store)
    assert pool._preloading is not None
    await pool._preloading
    assert 0 == loader.started
