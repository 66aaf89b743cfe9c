"""The engine host: a promoted adapter is followed, and a replaced engine ends with its requests."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fimls.config import NO_ADAPTER, Settings
from fimls.engines.scripted import ScriptedEngine
from fimls.progress import Progress, silent
from fimls.server import host as host_module
from fimls.server import pool as pool_module
from fimls.server.host import Drain, EngineHost, State, Status
from fimls.store.adapters import AdapterRegistry, promote
from tests.completer_doubles import until

BASE = "0" * 64


def adapter(folder: Path) -> Path:
    """A folder that the registry takes."""
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    (folder / "adapter_model.safetensors").write_bytes(b"")
    manifest = {"base": "b", "base_sha256": BASE}
    (folder / "fimls_manifest.json").write_text(json.dumps(manifest))
    return folder


class ClosingEngine(ScriptedEngine):
    """A scripted engine that tells whether it was closed, and with which adapter it was loaded."""

    def __init__(self, adapter_setting: str) -> None:
        super().__init__(())
        self.adapter = adapter_setting
        self.closed = False

    async def aclose(self) -> None:
        """Note it."""
        self.closed = True
        await super().aclose()


class Engines:
    """Loads engines in place of the real loader, and waits for the host's next state."""

    def __init__(self) -> None:
        self.loaded: list[ClosingEngine] = []
        self.statuses: asyncio.Queue[Status] = asyncio.Queue()
        self.looks = 0

    async def load(self, settings: Settings, *_: Any, **__: Any) -> ClosingEngine:
        """As ``load_engine``."""
        self.loaded.append(ClosingEngine(settings.adapter))
        return self.loaded[-1]

    async def looked(self) -> None:
        """Wait for the next time that somebody asks which adapter is served."""
        looks = self.looks
        await until(lambda: self.looks > looks)

    async def ready(self) -> Status:
        """The next status that says so."""
        while True:
            status = await self.statuses.get()
            if status.state is State.READY:
                return status


@contextlib.asynccontextmanager
async def no_bar(_title: str) -> AsyncIterator[Progress]:
    """No progress is shown."""
    yield silent


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch, empty_home: Path) -> Engines:
    """A loader without weights, for a model with the SHA-256 ``BASE``; promotions seen at once."""
    engines = Engines()
    monkeypatch.setattr(pool_module, "load_engine", engines.load)
    monkeypatch.setattr(host_module, "PROMOTIONS_LOOKED_AT_S", 0.01)

    def adapter_folder(settings: Settings, _store: object) -> Path | None:
        engines.looks += 1
        registry = AdapterRegistry(empty_home)
        if settings.adapter == NO_ADAPTER:
            return None
        return registry.find(settings.adapter) if settings.adapter else registry.serving(BASE)

    monkeypatch.setattr(host_module, "adapter_folder", adapter_folder)
    return engines


@contextlib.asynccontextmanager
async def running(engines: Engines, settings: Settings) -> AsyncIterator[EngineHost]:
    """A host that has begun to load."""
    host = EngineHost(settings, engines.statuses.put_nowait, no_bar)
    host.load()
    try:
        yield host
    finally:
        await host.aclose()


async def test_follows_promotions(engines: Engines, tmp_path: Path) -> None:
    """A promotion and its rollback reach a running server, which names what it serves."""
    async with running(engines, Settings()) as host:
        assert "" == (await engines.ready()).adapter
        promote(adapter(tmp_path / "mine"))
        assert "mine" == (await engines.ready()).adapter
        assert "mine" == Path(engines.loaded[-1].adapter).name
        AdapterRegistry().rollback()
        assert "" == (await engines.ready()).adapter
        assert host.completer is not None
        await until(lambda: engines.loaded[1].closed)
        assert [True, True, False] == [engine.closed for engine in engines.loaded]
    assert [True] * 3 == [engine.closed for engine in engines.loaded]


@pytest.mark.parametrize("setting", [NO_ADAPTER, "chosen"])
async def test_a_set_adapter_is_kept(engines: Engines, tmp_path: Path, setting: str) -> None:
    """Who named an adapter, or none, is not served another because it was promoted."""
    AdapterRegistry().add(adapter(tmp_path / "chosen"))
    async with running(engines, Settings(adapter=setting)):
        await engines.ready()
        for name in ("mine", "another"):  # at the second look it is known what the first led to
            promote(adapter(tmp_path / name))
            await engines.looked()
        assert engines.statuses.empty()
        assert 1 == len(engines.loaded)


async def test_the_old_engine_ends_with_its_requests(engines: Engines, tmp_path: Path) -> None:
    """Another adapter's engine takes over at once; the one before closes after its last request."""
    async with running(engines, Settings()) as host:
        await engines.ready()
        old = host.completer
        assert old is not None
        with host.using(old):
            host.configure(Settings(adapter=str(adapter(tmp_path / "mine"))))
            await engines.ready()
            assert host.completer is not old
            for _ in range(20):  # more turns than closing takes
                await asyncio.sleep(0)
            assert not engines.loaded[0].closed
        await until(lambda: engines.loaded[0].closed)


async def test_what_cannot_load_leaves_the_engine_before(engines: Engines, tmp_path: Path) -> None:
    """An adapter that can't be found leaves the engine before it serving; a rollback mends it."""
    async with running(engines, Settings()) as host:
        await engines.ready()
        serving = host.completer
        host.configure(Settings(adapter=str(tmp_path / "missing")))
        while host.status.state is not State.ERROR:
            await engines.statuses.get()
        assert "no adapter" in host.status.message
        assert host.completer is serving
        assert not engines.loaded[0].closed
        host.configure(Settings())
        await engines.ready()


async def test_a_drain_closes_all_at_the_end() -> None:
    """When the server ends, a request under way doesn't keep an engine alive."""
    drain, engine = Drain(), ClosingEngine("")

    class Completer:
        async def aclose(self) -> None:
            await engine.aclose()

    completer: Any = Completer()
    with drain.using(completer):
        drain.close_when_unused(completer)
        await drain.aclose()
        assert engine.closed
