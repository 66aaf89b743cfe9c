"""Engines that several sessions use at once: a model is in memory once, however many editors."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path

from fimls import config
from fimls.config import NO_ADAPTER, Settings
from fimls.engines.base import Engine
from fimls.engines.loading import adapter_folder, load_engine, model_source
from fimls.progress import Progress
from fimls.store import Store
from fimls.types import CancelToken, Delta, Prompt, SamplingParams


class EnginePool:
    """Loads an engine for its first user, and closes it after its last one."""

    def __init__(self) -> None:
        self._shared: dict[tuple[object, ...], _Shared] = {}
        self._preloading: asyncio.Task[None] | None = None

    def preload(self, settings: Settings, store: Store) -> None:
        """Begin to load what will probably be acquired next, where that needs no conversion.

        It is given up, unless somebody uses it, at the next :meth:`acquire`, whatever that names,
        and at :meth:`cancel_preload`.
        """
        self.cancel_preload()
        self._preloading = asyncio.create_task(self._preload(settings, store))

    def cancel_preload(self) -> None:
        """Give up what was preloaded."""
        if self._preloading is not None:
            self._preloading.cancel()
            self._preloading = None

    async def acquire(
        self,
        settings: Settings,
        store: Store,
        *,
        progress: Progress | None = None,
        anew: bool = False,
    ) -> Engine:
        """The engine that the settings name; closing it releases it.

        progress: of loading it, if that has to be done. anew: load it even if it is loaded; its
        present users keep the earlier one.

        Raises:
            as :func:`load_engine`.
        """
        key, shared = self._join(settings, store, progress, anew=anew)
        self.cancel_preload()
        return await self._loaded(key, shared)

    def _join(
        self, settings: Settings, store: Store, progress: Progress | None, *, anew: bool
    ) -> tuple[tuple[object, ...], _Shared]:
        """Add a user of the engine that the settings name; it is loaded if it isn't yet."""
        key = config.engine_key(settings)
        shared = self._shared.get(key)
        if shared is None or anew:
            loading = asyncio.create_task(load_engine(settings, store, progress=progress))
            shared = self._shared[key] = _Shared(loading)
        shared.users += 1
        return key, shared

    async def _loaded(self, key: tuple[object, ...], shared: _Shared) -> Engine:
        try:
            # A user who leaves while it is loading must not take it from the others.
            engine = await asyncio.shield(shared.loading)
        except BaseException:
            await self._leave(key, shared)
            raise
        return _Handle(engine, lambda: self._leave(key, shared))

    async def _preload(self, settings: Settings, store: Store) -> None:
        """Be a user of the engine until cancelled. Whoever acquires it hears of a failure."""
        with contextlib.suppress(Exception):
            wanted = await asyncio.to_thread(_converted, settings, store)
            if wanted is None:
                return
            engine = await self._loaded(*self._join(wanted, store, None, anew=False))
            try:
                await asyncio.Event().wait()
            finally:
                await engine.aclose()

    async def _leave(self, key: tuple[object, ...], shared: _Shared) -> None:
        shared.users -= 1
        if shared.users:
            return
        if self._shared.get(key) is shared:
            del self._shared[key]
        shared.loading.cancel()
        (loaded,) = await asyncio.gather(shared.loading, return_exceptions=True)
        if not isinstance(loaded, BaseException):
            await loaded.aclose()


def with_adapter(settings: Settings, adapter: Path | None) -> Settings:
    """The settings with the adapter that they mean now, by its folder."""
    return replace(settings, adapter=NO_ADAPTER if adapter is None else str(adapter))


def _converted(settings: Settings, store: Store) -> Settings | None:
    """The settings with their adapter, if the store has the converted model; else None."""
    if settings.engine != "openvino":
        return None
    adapter = adapter_folder(settings, store)
    there = store.prepared(model_source(settings.model), adapter, settings.quantization)
    return with_adapter(settings, adapter) if there else None


@dataclass(slots=True)
class _Shared:
    """An engine, and how many use it."""

    loading: asyncio.Task[Engine]
    users: int = 0


class _Handle(Engine):
    """An engine as one of its users has it."""

    def __init__(self, engine: Engine, leave: Callable[[], Coroutine[None, None, None]]) -> None:
        self._engine = engine
        self._leave: Callable[[], Coroutine[None, None, None]] | None = leave
        self.name = engine.name
        self.model = engine.model
        self.capabilities = engine.capabilities
        self.manifest = engine.manifest
        self.tokenizer = engine.tokenizer

    def generate(
        self, prompt: Prompt, sampling: SamplingParams, cancel: CancelToken
    ) -> AsyncGenerator[Delta, None]:
        """See :class:`Engine`."""
        return self._engine.generate(prompt, sampling, cancel)

    async def aclose(self) -> None:
        """Release it. Idempotent."""
        leave, self._leave = self._leave, None
        if leave is not None:
            await leave()
