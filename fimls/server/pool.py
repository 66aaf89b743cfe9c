"""Engines that several sessions use at once: a model is in memory once, however many editors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import dataclass

from fimls import config
from fimls.config import Settings
from fimls.engines.base import Engine
from fimls.engines.loading import load_engine
from fimls.store import Progress, Store
from fimls.types import CancelToken, Delta, Prompt, SamplingParams


class EnginePool:
    """Loads an engine at its first lease, and closes it when its last one is given back."""

    def __init__(self) -> None:
        self._shared: dict[tuple[object, ...], _Shared] = {}

    async def lease(
        self,
        settings: Settings,
        store: Store,
        *,
        progress: Progress | None = None,
        anew: bool = False,
    ) -> Engine:
        """The engine that the settings name; closing it gives the lease back.

        progress: of loading it, if it isn't yet. anew: load it even if it is; who uses the earlier
        one keeps it.

        Raises:
            as :func:`load_engine`.
        """
        key = config.engine_key(settings)
        shared = self._shared.get(key)
        if shared is None or anew:
            loading = asyncio.create_task(load_engine(settings, store, progress=progress))
            shared = self._shared[key] = _Shared(loading)
        shared.users += 1
        try:
            # Who leaves while it is loading must not take it from the others.
            engine = await asyncio.shield(shared.loading)
        except BaseException:
            await self._leave(key, shared)
            raise
        return _Lease(engine, lambda: self._leave(key, shared))

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


@dataclass(slots=True)
class _Shared:
    loading: asyncio.Task[Engine]
    users: int = 0


class _Lease(Engine):
    """An engine for one of its users."""

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
        """Give it back. Idempotent."""
        leave, self._leave = self._leave, None
        if leave is not None:
            await leave()
