"""The process that keeps a workspace's index, seen from the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import platformdirs

from fimls import IMPORT_ROOT

OnProgress = Callable[[int, int], None]
"""Called with the number of files done and of all to do; the total grows while they are found."""

RESTART_PAUSES_S = (1.0, 10.0, 60.0)
"""How long to wait before each restart of a process that ended; then it is left alone."""

_STEADY_S = 600.0  # after so long, an end is no longer put down to what came before
_END_TIMEOUT_S = 0.5
_LOG = logging.getLogger(__name__)


def database_path(folder: Path, cache_dir: Path | None = None) -> Path:
    """Where a workspace folder's index lies: in the user's cache, under a hash of its real path."""
    name = hashlib.blake2b(os.fsencode(folder.resolve()), digest_size=12).hexdigest()
    return (cache_dir or platformdirs.user_cache_path("fimls")) / "index" / f"{name}.sqlite"


class Indexer:
    """Starts the process, tells it what changed and listens to it. To be used from one event loop.

    A process that is killed is started again, a few times, after longer and longer pauses.

    folder: the workspace's; updates are paths inside it. database: see :func:`database_path`.
    globs: the settings' exclusions. on_progress: called in the event loop, a few times a second.

    state: "indexing", "ready", "failed: " and why, or "closed". Only what the database holds can be
        found, so an index that failed has what it had, or nothing.
    note: what is left out of a finished index, "" if nothing.
    """

    def __init__(
        self,
        folder: Path,
        database: Path,
        globs: Sequence[str] = (),
        on_progress: OnProgress | None = None,
    ) -> None:
        self.state = "indexing"
        self.note = ""
        self._opening = {"folder": str(folder), "database": str(database), "globs": [*globs]}
        self._on_progress = on_progress
        self._process: asyncio.subprocess.Process | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._unsent: list[dict[str, Any]] = []  # what was asked for before the process was there
        self._sync_ids = itertools.count()
        self._syncs: dict[int, asyncio.Future[None]] = {}

    @property
    def pid(self) -> int | None:
        """The process's id, None where there is no process yet."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start the process, which begins to index; returns at once."""
        process = await self._launch()
        if process is not None:
            self._keeping = asyncio.create_task(self._keep(process))

    def update(self, paths: Sequence[Path]) -> None:
        """Have files indexed again soon, those that are gone or excluded dropped."""
        self._send({"op": "update", "paths": [str(path) for path in paths]})

    async def idle(self) -> None:
        """Wait until all that was asked for so far is indexed, or the index has failed."""
        if not self._working:
            return
        sync_id = next(self._sync_ids)
        self._syncs[sync_id] = asyncio.get_running_loop().create_future()
        self._send({"op": "sync", "id": sync_id})
        await self._syncs[sync_id]

    async def aclose(self) -> None:
        """End the process, whatever it does; the database stays intact. Idempotent."""
        self.state = "closed"
        if self._keeping is None:
            return
        if self._process is None:
            self._keeping.cancel()  # it waits to start another
        elif self._process.stdin is not None:
            self._process.stdin.close()
        ended, _ = await asyncio.wait([self._keeping], timeout=_END_TIMEOUT_S)
        if not ended and self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        await asyncio.gather(self._keeping, return_exceptions=True)
        self._release()

    @property
    def _working(self) -> bool:
        return self.state in {"indexing", "ready"}

    def _send(self, message: dict[str, Any]) -> None:
        if self._process is None:
            self._unsent.append(message)
            return
        assert self._process.stdin is not None
        if self._working:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")

    async def _launch(self) -> asyncio.subprocess.Process | None:
        """Start a process and tell it what was asked for; None, with the reason, if it can't be."""
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "fimls.context.indexer_worker"),
                cwd=IMPORT_ROOT,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                start_new_session=True,  # Ctrl-C in a terminal is meant for the server
            )
        except OSError as error:
            self._fail(f"no process: {error}")
            return None
        self._process = process
        unsent, self._unsent = self._unsent, []
        for message in (self._opening, *unsent):
            self._send(message)
        return process

    async def _keep(self, process: asyncio.subprocess.Process) -> None:
        """Listen to the process, and start another when it ends by itself."""
        running: asyncio.subprocess.Process | None = process
        pauses = iter(RESTART_PAUSES_S)
        while running is not None:
            began = time.monotonic()
            await self._listen(running)
            code = await running.wait()
            if not self._working:
                break
            if time.monotonic() - began >= _STEADY_S:
                pauses = iter(RESTART_PAUSES_S)
            pause_s = next(pauses, None)
            if pause_s is None:
                self._fail(f"the process ended with code {code}")
                break
            _LOG.warning("the index's process ended with code %s; starting another", code)
            # The next one looks through the whole folder: only who waits has to be told.
            self.state, self._process = "indexing", None
            self._unsent = [{"op": "sync", "id": number} for number in self._syncs]
            await asyncio.sleep(pause_s)
            running = await self._launch()
        self._release()

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """Take the process's messages until it ends."""
        assert process.stdout is not None
        async for line in process.stdout:
            if line.endswith(b"\n"):  # it may be killed in the middle of one
                self._handle(json.loads(line))

    def _release(self) -> None:
        """Let nobody wait for what won't come."""
        for sync in self._syncs.values():
            if not sync.done():
                sync.set_result(None)
        self._syncs.clear()

    def _handle(self, message: dict[str, Any]) -> None:
        event = message["event"]
        if event == "synced":
            self._syncs.pop(message["id"]).set_result(None)
        elif self.state == "closed":
            pass
        elif event == "progress":
            self.state = "indexing"
            if self._on_progress is not None:
                self._on_progress(message["done"], message["total"])
        elif event == "ready":
            self.state, self.note = "ready", message["note"]
        elif event == "failed":
            self._fail(message["message"])

    def _fail(self, why: str) -> None:
        self.state = f"failed: {why}"
