"""The engine of a session: loaded while nobody waits, replaced while the old one still serves.

Nothing here knows LSP. Nothing is fetched unless :meth:`EngineHost.pull` is called.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from fimls.completer import Completer, ContextSource
from fimls.config import Settings, engine_key
from fimls.engines.loading import adapter_folder, model_source
from fimls.progress import Progress
from fimls.server.pool import EnginePool, with_adapter
from fimls.store import ModelSpec, Store
from fimls.store.adapters import AdapterRegistry
from fimls.types import EngineDeadError, FimlsError, ModelMissingError, UnknownModelError

PROMOTIONS_LOOKED_AT_S = 1.0
"""How often a running server looks whether another adapter was promoted; a look is one ``stat``."""

_LOADING_WAIT_S = 10.0  # then nothing is answered, and the next keystroke asks again

_log = logging.getLogger(__name__)


class State(str, enum.Enum):
    """Whether there is something to complete with."""

    LOADING = "loading"
    READY = "ready"
    MISSING = "missing"  # the model has to be fetched first
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Status:
    """What a person is told."""

    state: State
    message: str
    """One line: what is wrong, and what to do."""

    model: str
    engine: str
    adapter: str
    """Its name in the registry or its folder; empty for the model alone."""


OpenBar = Callable[[str], AbstractAsyncContextManager[Progress]]
"""Opens a progress bar with a title."""


class EngineHost:
    """Keeps one engine running, the one that the settings name.

    on_status: called in the event loop at every change. open_bar: shows the progress of loading.
    context: where completers find snippets. engines: those that other sessions use too.
    """

    def __init__(
        self,
        settings: Settings,
        on_status: Callable[[Status], None],
        open_bar: OpenBar,
        context: ContextSource | None = None,
        engines: EnginePool | None = None,
    ) -> None:
        self.settings = settings
        self._engines = engines or EnginePool()
        self._context = context
        self.completer: Completer | None = None
        self._on_status = on_status
        self._open_bar = open_bar
        self._loading: asyncio.Task[None] | None = None
        self._pulling: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._drain = Drain()
        self._adapter: Path | None = None  # of the engine that was loaded last, or should have been
        self._loads = 0  # how many engines there were
        self._loaded = False  # the engine is what the settings name
        self._dead = False  # it said so at its last request
        self._settled = asyncio.Event()  # nothing is loading or being fetched
        self.status = self._status(State.LOADING, "waiting for the editor")

    def configure(self, settings: Settings) -> None:
        """Take other settings; another engine is loaded if they need one, or if loading failed.

        Raises:
            PromptError: the engine can't work with them; the earlier ones stay.
        """
        failed = self._loading is not None and self._loading.done() and not self._loaded
        reload = failed or engine_key(self.settings) != engine_key(settings)
        if self.completer is not None and not reload:
            self.completer.configure(settings)
        self.settings = settings
        if reload:
            self.load()

    def load(self, *, anew: bool = False) -> None:
        """Start loading what the settings name; a load under way is given up.

        The present engine serves until the new one can, and closes after its last request. anew:
        load it even if another session uses it already, since its files may have changed.
        """
        if self._loading is not None:
            self._loading.cancel()
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch_promotions())
        self._loading = asyncio.create_task(self._load(self.settings, anew=anew))

    async def loaded(self) -> Completer | None:
        """Return the completer, after waiting while it loads; None if there still is none."""
        if self.completer is None:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._settled.wait(), _LOADING_WAIT_S)
        return self.completer

    async def pull(self) -> None:
        """Fetch the model that the settings name, then load it. A second call joins the first.

        Raises:
            StoreError: it can't be fetched. UnknownModelError: it isn't one that can be.
        """
        if self._pulling is None or self._pulling.done():
            self._pulling = asyncio.create_task(self._pull())
        await asyncio.shield(self._pulling)  # the caller may give up, but the bytes are wanted

    def missing_model(self) -> ModelSpec | None:
        """Return the model that has to be fetched, if one has to be."""
        return self._spec() if self.status.state is State.MISSING else None

    def report_failure(self, completer: Completer, error: FimlsError) -> None:
        """Note that a request failed; only a dead engine changes the state."""
        if completer is self.completer and isinstance(error, EngineDeadError) and not self._dead:
            self._dead = True
            self._tell(State.ERROR, explain(error))

    def report_success(self, completer: Completer) -> None:
        """Note that a request went well: an engine may have come back to life."""
        if completer is self.completer and self._dead:
            self._dead = False
            self._tell(State.READY)

    @contextlib.contextmanager
    def using(self, completer: Completer) -> Iterator[None]:
        """Keep an engine that is being replaced alive while a request of its own runs."""
        with self._drain.using(completer):
            yield

    async def aclose(self) -> None:
        """Give up what is under way and close the engine."""
        under_way = (self._loading, self._pulling, self._watching)
        tasks = [task for task in under_way if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self.completer is not None:
            self._drain.close_when_unused(self.completer)
            self.completer = None
        await self._drain.aclose()

    async def _load(self, settings: Settings, *, anew: bool) -> None:
        self._loaded = self._dead = False
        self._tell(State.LOADING, f"loading {_name(settings)}")
        try:
            async with self._open_bar(f"Loading {_name(settings)}") as progress:
                self._adapter = await asyncio.to_thread(adapter_folder, settings, Store())
                engine = await self._engines.acquire(
                    with_adapter(settings, self._adapter), Store(), progress=progress, anew=anew
                )
            try:
                # Each engine's completions count from 1; an editor needs ids that stay unique.
                name = f"{self._loads + 1}.c"
                completer = Completer(engine, self.settings, context=self._context, name=name)
            except FimlsError:
                await engine.aclose()
                raise
        except ModelMissingError as error:
            self._tell(State.MISSING, explain(error))
        except FimlsError as error:
            self._tell(State.ERROR, explain(error))
        except Exception as error:  # noqa: BLE001 - whatever a library raises, the server goes on
            _log.exception("loading %s failed", _name(settings))
            self._tell(State.ERROR, f"loading {_name(settings)} failed: {type(error).__name__}")
        else:
            old, self.completer = self.completer, completer
            self._loads += 1
            self._loaded = True
            if old is not None:
                self._drain.close_when_unused(old)
            self._tell(State.READY)

    async def _pull(self) -> None:
        spec = self._spec()
        if spec is None:
            raise UnknownModelError(
                f"'{self.settings.model}' is not a model that can be fetched",
                hint="`fimls pull --list` names those that can",
            )
        self._tell(State.LOADING, f"fetching {spec.name}")
        try:
            async with self._open_bar(f"Fetching {spec.name}") as progress:
                await asyncio.to_thread(Store().pull, spec, progress=progress)
        except FimlsError as error:
            self._tell(State.MISSING, explain(error))
            raise
        self.load()

    def _spec(self) -> ModelSpec | None:
        try:
            source = model_source(self.settings.model)
        except UnknownModelError:
            return None
        return source if isinstance(source, ModelSpec) else None

    async def _watch_promotions(self) -> None:
        """Follow ``fimls adapters promote`` and ``rollback`` while no adapter is set."""
        registry = AdapterRegistry(Store().root)
        seen = registry.stamp()
        while True:
            await asyncio.sleep(PROMOTIONS_LOOKED_AT_S)
            stamp = registry.stamp()
            if stamp == seen:
                continue
            seen = stamp
            try:
                wanted = await asyncio.to_thread(adapter_folder, self.settings, Store())
            except FimlsError as error:  # loading would end so too; what serves goes on
                _log.warning("%s", explain(error))
                continue
            if wanted != self._adapter or not self._loaded:
                self.load()

    def _tell(self, state: State, message: str = "") -> None:
        self.status = self._status(state, message)
        if state is State.LOADING:
            self._settled.clear()
        else:
            self._settled.set()
        _log.info("%s", message or state.value)
        self._on_status(self.status)

    def _status(self, state: State, message: str) -> Status:
        settings, adapter = self.settings, self._adapter
        label = "" if adapter is None else AdapterRegistry().label(adapter)
        return Status(state, message, settings.model, settings.engine, label)


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


def explain(error: FimlsError) -> str:
    """Return an error and what to do about it in one line."""
    text = f"{error}; {error.hint}" if error.hint else str(error)
    return " ".join(text.split())


def _name(settings: Settings) -> str:
    return settings.model if settings.engine != "scripted" else "the scripted engine"
