"""The openvino engine's process seen from the event loop: started, asked, listened to, ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from fimls import IMPORT_ROOT
from fimls.types import CancelToken, EngineDeadError, EngineError

_LOAD_TIMEOUT_S = 180.0
# A step takes a few hundred milliseconds at worst; a silent worker is a stuck one.
_SILENCE_TIMEOUT_S = 30.0
_SILENT: dict[str, Any] = {"event": "silent"}
# Of what a process printed before it died: the end, as much as fits an error message.
_COMPLAINT_BYTES = 2000
_COMPLAINT_LINES = 3
_LAST_WORDS_TIMEOUT_S = 1.0


class Worker:
    """The worker process seen from the event loop."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._queues: dict[int, asyncio.Queue[dict[str, Any]]] = {}
        # "" once the model is loaded, or why it can't be.
        self._ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._complaints = b""
        self._complaining = asyncio.create_task(self._read_complaints())
        self._reading = asyncio.create_task(self._read_messages())
        self.alive = True
        self._heard_s = 0.0  # of the event loop's clock

    @classmethod
    async def start(cls, command: Sequence[str]) -> Worker:
        """Start the process and wait until its model is loaded.

        Raises:
            EngineDeadError: it ended, or said nothing for minutes.
        """
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=IMPORT_ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=1 << 20,
        )
        worker = cls(process)
        try:
            await asyncio.wait([worker._ready], timeout=_LOAD_TIMEOUT_S)
            if not worker._ready.done():
                raise EngineDeadError(
                    f"the engine's process did not load the model within {_LOAD_TIMEOUT_S:.0f} s",
                    hint="is the disk slow or the memory short? `fimls doctor` says what there is",
                )
            if problem := worker._ready.result():
                raise EngineDeadError(
                    problem, hint="`fimls pull --verify` checks the model's files"
                )
        except BaseException:
            await worker.stop()
            raise
        return worker

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    async def request(
        self, message: dict[str, Any], cancel: CancelToken
    ) -> AsyncIterator[dict[str, Any]]:
        """Send a request and yield its delta messages, the one with ``finish`` last.

        Raises:
            EngineError: the request failed. EngineDeadError: the process died or hangs.
        """
        request_id: int = message["id"]
        queue = self._queues[request_id] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        finished = False

        def send_cancel() -> None:
            if request_id in self._queues and self.alive:
                self.send({"op": "cancel", "id": request_id})

        try:
            self.send(message)
            cancel.on_cancel(lambda: loop.call_soon_threadsafe(send_cancel))
            while not finished:
                # Not asyncio.wait_for: before Python 3.12 it loses a cancellation that comes
                # together with a message, and the generation would go on.
                watch = loop.call_later(_SILENCE_TIMEOUT_S, queue.put_nowait, _SILENT)
                try:
                    answer = await queue.get()
                finally:
                    watch.cancel()
                if answer is _SILENT:
                    # It may be busy with the requests before this one, and say so to them.
                    if loop.time() - self._heard_s < _SILENCE_TIMEOUT_S:
                        continue
                    await self.stop()
                    raise EngineDeadError(
                        f"the engine's process was silent for {_SILENCE_TIMEOUT_S:.0f} s",
                        hint="it is started again at the next request",
                    )
                if answer["event"] == "prefill":
                    continue
                finished = answer["event"] != "delta" or answer["finish"] is not None
                if answer["event"] == "error":
                    raise EngineError(f"openvino: {answer['message']}")
                if answer["event"] == "dead":
                    raise EngineDeadError(
                        answer["message"], hint="it is started again at the next request"
                    )
                yield answer
        finally:
            if not finished:
                send_cancel()
            del self._queues[request_id]

    async def stop(self) -> None:
        """End the process; it gets a second to do so by itself. Idempotent."""
        self.alive = False
        if self._process.returncode is None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                await asyncio.wait_for(self._process.wait(), 1.0)
            except asyncio.TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
                await self._process.wait()
        await asyncio.gather(self._reading, self._complaining, return_exceptions=True)

    def send(self, message: dict[str, Any]) -> None:
        """Write a message.

        Raises:
            EngineDeadError: there is nobody to read it.
        """
        assert self._process.stdin is not None
        if not self.alive or self._process.stdin.is_closing():
            raise EngineDeadError(
                "the engine's process is gone", hint="it is started again at the next request"
            )
        self._process.stdin.write(json.dumps(message).encode() + b"\n")

    async def _read_messages(self) -> None:
        assert self._process.stdout is not None
        loop = asyncio.get_running_loop()
        async for line in self._process.stdout:
            self._heard_s = loop.time()
            try:
                message = json.loads(line)
            except ValueError:
                self._complain(line)
                continue
            if message["event"] == "ready":
                if not self._ready.done():
                    self._ready.set_result("")
            # A cancelled request's last deltas find nobody waiting.
            elif queue := self._queues.get(message["id"]):
                queue.put_nowait(message)
        self.alive = False
        code = await self._process.wait()
        await asyncio.wait([self._complaining], timeout=_LAST_WORDS_TIMEOUT_S)
        lines = [line.strip() for line in self._complaints.decode(errors="replace").splitlines()]
        said = "; ".join(list(filter(None, lines))[-_COMPLAINT_LINES:])
        text = f"the engine's process ended with code {code}" + (f": {said}" if said else "")
        if not self._ready.done():
            self._ready.set_result(text)
        for queue in self._queues.values():
            queue.put_nowait({"event": "dead", "message": text})

    async def _read_complaints(self) -> None:
        """Keep the end of what native code prints, for the error message."""
        assert self._process.stderr is not None
        while data := await self._process.stderr.read(_COMPLAINT_BYTES):
            self._complain(data)

    def _complain(self, data: bytes) -> None:
        self._complaints = (self._complaints + data)[-_COMPLAINT_BYTES:]
