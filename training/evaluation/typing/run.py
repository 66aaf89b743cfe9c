"""The whole run: a server for each repository, its functions typed one after the other."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from fimls.progress import Progress, silent
from fimls.report.machine import resident_bytes
from fimls.types import FimlsError
from training.evaluation.repository import copy_with_holes
from training.evaluation.typing.client import (
    STATUS_COMMAND,
    Client,
    RequestFailedError,
    ServerGoneError,
    server_command,
)
from training.evaluation.typing.explainer import Explainer
from training.evaluation.typing.plan import Plan, Task
from training.evaluation.typing.session import Habits, Session

NO_EXPLANATIONS = (
    "the server has no fimls.why: latencies aren't split, prompts and engine time are unknown"
)

_READY_TIMEOUT_S = 300.0
_INDEX_TIMEOUT_S = 300.0
_POLL_S = 0.2
_LEFT_BEHIND = ("XDG_CACHE_HOME", "XDG_STATE_HOME")
_MEMORY_INTERVAL_S = 2.0


@dataclass(slots=True)
class Run:
    """What a run found."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    """One for each function that was begun: ``Tally.row``."""
    examples: list[dict[str, Any]] = field(default_factory=list)
    """The longest wrong suggestion in each function."""
    memory: list[tuple[int, float, int]] = field(default_factory=list)
    """Samples: the server, counted from 0; seconds since the start; resident bytes."""
    status: dict[str, Any] = field(default_factory=dict)
    """What ``fimls.status`` said first."""
    notes: list[str] = field(default_factory=list)
    """What a reader of the figures must know."""
    elapsed_s: float = 0.0
    failure: FimlsError | None = None
    """What ended the run early."""

    def note(self, text: str) -> None:
        """Add a note, once."""
        if text not in self.notes:
            self.notes.append(text)


class Replay:
    """Types a plan.

    server_options: those of ``fimls serve``. record: see :class:`Explainer`. feedback: the state
    folder (``XDG_STATE_HOME``) for what ``fimls stats`` shows of the run; None keeps nothing.
    """

    def __init__(
        self,
        plan: Plan,
        habits: Habits,
        server_options: Sequence[str],
        *,
        record: IO[str] | None = None,
        feedback: Path | None = None,
        progress: Progress = silent,
    ) -> None:
        self._plan = plan
        self._habits = habits
        self._server_options = server_options
        self._record = record
        self._feedback = feedback
        self._progress = progress
        self._characters = sum(len(task.body) for task in plan.tasks)
        self._typed = 0  # of the functions that are done with
        self._began = 0.0
        self._servers = 0
        self.found = Run()

    async def run(self, stop: asyncio.Event) -> Run:
        """Type until the plan is done or ``stop`` is set.

        A failure ends the run too. The result holds it, and everything that was typed until then.
        """
        self._began = time.monotonic()
        try:
            for index in range(len(self._plan.repositories)):
                if not stop.is_set():
                    await self._repository(index, stop)
        except FimlsError as error:
            self.found.failure = error
        self.found.elapsed_s = time.monotonic() - self._began
        return self.found

    async def _repository(self, index: int, stop: asyncio.Event) -> None:
        repository = self._plan.repositories[index]
        tasks = [task for task in self._plan.tasks if task.repository == index]
        if not tasks:
            return
        with tempfile.TemporaryDirectory(prefix="fimls-bench-") as temporary:
            folder = Path(temporary) / repository.name
            copying = (repository, folder, self._plan.holes(index))
            await asyncio.to_thread(copy_with_holes, *copying)
            # Nobody needs what a server stores about a copy.
            places = {name: str(Path(temporary) / name) for name in _LEFT_BEHIND}
            if self._feedback is not None:
                places["XDG_STATE_HOME"] = str(self._feedback.absolute())
            log_path = Path(temporary) / "server.log"
            try:
                with log_path.open("wb") as log:
                    async with self._server(folder, places, log, stop) as client:
                        await self._type(client, folder, tasks, stop)
            except ServerGoneError as error:
                last = log_path.read_text(encoding="utf-8", errors="replace").splitlines()[-1:]
                raise ServerGoneError(
                    f"{error}; its log ends: {''.join(last)}", hint=error.hint
                ) from error

    @contextlib.asynccontextmanager
    async def _server(
        self, folder: Path, environment: Mapping[str, str], log: IO[bytes], stop: asyncio.Event
    ) -> AsyncIterator[Client]:
        """Start a server, wait until it can complete, and watch its memory while it runs."""
        # What is typed here says nothing about what a person does with suggestions.
        wanted = "true" if self._feedback is not None else "false"
        command = server_command([*self._server_options, "--set", f"feedback={wanted}"])
        client = await Client.start(command, folder, environment=environment, log=log)
        watching = asyncio.create_task(self._watch_memory(self._servers, client.pid))
        self._servers += 1
        try:
            await self._until_ready(client, stop)
            yield client
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await client.aclose()

    async def _until_ready(self, client: Client, stop: asyncio.Event) -> None:
        """Wait for the engine, and for the index of the workspace if there is one."""
        await client.ready(_READY_TIMEOUT_S)
        deadline = time.monotonic() + _INDEX_TIMEOUT_S
        while not stop.is_set():
            try:
                status = await client.command(STATUS_COMMAND)
            except RequestFailedError:
                self.found.note("the server has no fimls.status")
                return
            status = status if isinstance(status, dict) else {}
            self.found.status = self.found.status or status
            states = _index_states(status.get("context"))
            late = time.monotonic() > deadline
            if "indexing" not in states or late:
                for state in states - {"ready", "off"}:
                    self.found.note(f"the context index was not ready: {state}")
                return
            await asyncio.sleep(_POLL_S)

    async def _type(
        self, client: Client, folder: Path, tasks: Sequence[Task], stop: asyncio.Event
    ) -> None:
        explainer = Explainer(client, self._record)
        sources = self._plan.repositories[tasks[0].repository].sources
        for task in tasks:
            if stop.is_set():
                break
            session = Session(
                client, explainer, folder, sources[task.path], task, habits=self._habits
            )
            telling = asyncio.create_task(self._tell(session))
            try:
                await session.run(stop)
                await explainer.finish()
            finally:
                telling.cancel()
                explainer.settle()
                self._keep(session)
                self._typed += len(task.body)
                self._progress("typing", self._typed, self._characters)
        if not explainer.available:
            self.found.note(NO_EXPLANATIONS)

    def _keep(self, session: Session) -> None:
        self.found.rows.append(session.tally.row())
        if session.tally.worst is not None:
            self.found.examples.append(session.tally.worst)

    async def _tell(self, session: Session) -> None:
        while True:
            self._progress("typing", self._typed + session.typed, self._characters)
            await asyncio.sleep(_POLL_S)

    async def _watch_memory(self, server: int, pid: int) -> None:
        while True:
            used = await asyncio.to_thread(resident_bytes, pid)
            if used is None:  # it has ended
                return
            seconds = round(time.monotonic() - self._began, 1)
            self.found.memory.append((server, seconds, used))
            await asyncio.sleep(_MEMORY_INTERVAL_S)


def _index_states(context: object) -> set[str]:
    """Return the state of each index that the server's status names."""
    if not isinstance(context, dict):
        return set()
    folders = context.get("folders")
    places = [context, *(folders if isinstance(folders, list) else [])]
    named = (place for place in places if isinstance(place, dict))
    found = (place.get("state") or place.get("index") for place in named)
    return {state for state in found if isinstance(state, str)}


def server_options(settings: Mapping[str, object]) -> list[str]:
    """Return the options by which ``fimls serve`` gets the settings of a command line."""
    return [
        word
        for name, value in settings.items()
        for word in ("--set", f"{name}={json.dumps(value)}")
    ]
