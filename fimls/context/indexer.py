"""The parent of the process that keeps the index of a workspace folder."""

from __future__ import annotations

import asyncio
import enum
import hashlib
import itertools
import logging
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import platformdirs

from fimls.child import Child, module_command

OnProgress = Callable[[int, int], None]
"""Called with the number of files done and of all to do; the total grows while they are found."""

RESTART_PAUSES_S = (1.0, 10.0, 60.0)
"""How long to wait before each restart of a process that ended; then it is left alone."""

_STEADY_S = 600.0  # a process that ran this long gets all its restarts again
_END_TIMEOUT_S = 0.5
_LOG = logging.getLogger(__name__)


def database_path(folder: Path, cache_dir: Path | None = None) -> Path:
    """Return where a folder's index is: in the user's cache, under a hash of its real path."""
    name = hashlib.blake2b(os.fsencode(folder.resolve()), digest_size=12).hexdigest()
    return (cache_dir or platformdirs.user_cache_path("fimls")) / "index" / f"{name}.sqlite"


class IndexState(str, enum.Enum):
    """How far an index is. A search finds what is in the database, whatever the state."""

    INDEXING = "indexing"
    READY = "ready"
    FAILED = "failed"
    CLOSED = "closed"

    __str__ = str.__str__


class Indexer:
    """Starts the process, tells it what changed and listens to it. For use in one event loop.

    A process that is killed is started again a few times, after longer and longer pauses.

    folder: the workspace folder; updates are paths inside it. database: see :func:`database_path`.
    globs: the setting ``exclude``. on_progress: called in the event loop, a few times a second.

    failure: why the index failed; "" unless it did. note: what is left out of a finished index; ""
    if nothing.
    """

    def __init__(
        self,
        folder: Path,
        database: Path,
        globs: Sequence[str] = (),
        on_progress: OnProgress | None = None,
    ) -> None:
        self.state = IndexState.INDEXING
        self.failure = ""
        self.note = ""
        self._opening = {"folder": str(folder), "database": str(database), "globs": [*globs]}
        self._on_progress = on_progress
        self._child: Child | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._unsent: list[dict[str, Any]] = []  # messages for a process that hasn't started
        self._sync_ids = itertools.count()
        self._syncs: dict[int, asyncio.Future[None]] = {}

    @property
    def pid(self) -> int | None:
        """The process's id; None while there is no process."""
        return self._child.pid if self._child else None

    async def start(self) -> None:
        """Start the process, which begins to index; returns at once."""
        child = await self._launch()
        if child is not None:
            self._keeping = asyncio.create_task(self._keep(child))

    def update(self, paths: Sequence[Path]) -> None:
        """Index files again soon; drop those that are gone or excluded."""
        self._send({"op": "update", "paths": [str(path) for path in paths]})

    async def idle(self) -> None:
        """Wait until all updates so far are done, or the index has failed."""
        if not self._working:
            return
        sync_id = next(self._sync_ids)
        self._syncs[sync_id] = asyncio.get_running_loop().create_future()
        self._send({"op": "sync", "id": sync_id})
        await self._syncs[sync_id]

    async def aclose(self) -> None:
        """End the process, whatever it does; the database stays intact. May be called twice."""
        self.state = IndexState.CLOSED
        if self._keeping is None:
            return
        if self._child is None:
            self._keeping.cancel()  # it waits before a restart
        else:
            await self._child.aclose(_END_TIMEOUT_S)
        await asyncio.gather(self._keeping, return_exceptions=True)
        self._release()

    @property
    def _working(self) -> bool:
        return self.state in {IndexState.INDEXING, IndexState.READY}

    def _send(self, message: dict[str, Any]) -> None:
        if self._child is None:
            self._unsent.append(message)
        elif self._working:
            self._child.send(message)

    async def _launch(self) -> Child | None:
        """Start a process and send what it has to do; None, with ``failure`` set, if it can't."""
        try:
            child = await Child.start(module_command("fimls.context.indexer_worker"))
        except OSError as error:
            self._fail(f"no process: {error}")
            return None
        if self.state is IndexState.CLOSED:  # meanwhile
            await child.aclose(_END_TIMEOUT_S)
            return None
        self._child = child
        unsent, self._unsent = self._unsent, []
        for message in (self._opening, *unsent):
            child.send(message)
        return child

    async def _keep(self, child: Child) -> None:
        """Listen to the process, and restart it when it ends by itself."""
        running: Child | None = child
        pauses = iter(RESTART_PAUSES_S)
        while running is not None:
            began = time.monotonic()
            async for message in running.messages():
                self._handle(message)
            ended = await running.ended()
            if not self._working:
                break
            if time.monotonic() - began >= _STEADY_S:
                pauses = iter(RESTART_PAUSES_S)
            pause_s = next(pauses, None)
            if pause_s is None:
                self._fail(f"the process {ended.how}")
                break
            _LOG.warning("the index's process %s; starting another", ended)
            # The next one looks through the whole folder: only those that wait have to be told.
            self.state, self._child = IndexState.INDEXING, None
            self._unsent = [{"op": "sync", "id": number} for number in self._syncs]
            await asyncio.sleep(pause_s)
            running = await self._launch()
        self._release()

    def _release(self) -> None:
        """Release those that wait for syncs that won't come."""
        for sync in self._syncs.values():
            if not sync.done():
                sync.set_result(None)
        self._syncs.clear()

    def _handle(self, message: dict[str, Any]) -> None:
        event = message["event"]
        if event == "synced":
            sync = self._syncs.pop(message["id"])
            if not sync.done():  # whoever waited was cancelled
                sync.set_result(None)
        elif self.state is IndexState.CLOSED:
            pass
        elif event == "progress":
            self.state = IndexState.INDEXING
            if self._on_progress is not None:
                self._on_progress(message["done"], message["total"])
        elif event == "ready":
            self.state, self.note = IndexState.READY, message["note"]
        elif event == "failed":
            self._fail(message["message"])

    def _fail(self, why: str) -> None:
        self.state, self.failure = IndexState.FAILED, why
