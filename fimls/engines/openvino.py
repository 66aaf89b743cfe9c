"""The OpenVINO engine: CPU by default, Intel GPU and NPU by name.

The model runs in a worker process (``openvino_worker.py`` says why); this side is asyncio alone.
A worker that dies fails the requests under way, and the next request starts another.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import json
import sys
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fimls.engines.base import Capabilities
from fimls.engines.candidate import CandidateText, candidate_sampling
from fimls.fim import Manifest, Tokenizer
from fimls.types import (
    CancelToken,
    Delta,
    EngineDeadError,
    EngineError,
    FinishReason,
    Prompt,
    SamplingParams,
    Usage,
)

PREFILL_CHUNK_TOKENS = 32
"""Prompt tokens a step: a cancel takes effect between two steps."""
KV_BLOCK_TOKENS = 32
"""OpenVINO's paged attention keeps keys and values in blocks of this size on a CPU."""
KV_BLOCKS = 256
"""Blocks kept for all requests and for reuse: 8,192 tokens, 60 MB with the default model."""
PROPERTIES: Mapping[str, Mapping[str, object]] = {
    # Activations are quantized in groups of 32 by default, which weights with one scale for each
    # output channel don't need: 128 makes prefill 20 % faster.
    "int8": {"DYNAMIC_QUANTIZATION_GROUP_SIZE": 128},
}
"""OpenVINO's properties by quantization."""

_LOAD_TIMEOUT_S = 180.0
# A step takes a few hundred milliseconds at worst; a silent worker is a stuck one.
_SILENCE_TIMEOUT_S = 30.0
_SILENT: dict[str, Any] = {"event": "silent"}
_MOST_RESTARTS = 3
# Of what a process printed before it died: the end, as much as fits an error message.
_COMPLAINT_BYTES = 2000
_COMPLAINT_LINES = 3
_LAST_WORDS_TIMEOUT_S = 1.0


class OpenVinoEngine:
    """Runs a model in a worker process."""

    name = "openvino"
    capabilities = Capabilities(
        token_ids=True,
        healing=True,
        logprobs=True,
        prefix_reuse=True,
        candidates=8,
        adapters=True,
    )

    def __init__(
        self, command: Sequence[str], *, model: str, manifest: Manifest, tokenizer: Tokenizer
    ) -> None:
        """Not called by users: see :meth:`load`."""
        self.model = model
        self.manifest = manifest
        self.tokenizer = tokenizer
        self._command = command
        self._worker: _Worker | None = None
        self._restarting: asyncio.Task[None] | None = None
        self._restarts = 0
        self._closed = False
        self._ids = itertools.count(1)
        self._cached = _PrefixBlocks(KV_BLOCKS)

    @classmethod
    async def load(
        cls,
        directory: Path,
        *,
        model: str,
        describe: Callable[[Tokenizer], Manifest],
        device: str = "CPU",
        quantization: str = "",
    ) -> OpenVinoEngine:
        """Load a folder that :meth:`fimls.store.Store.prepare` made.

        describe: makes the manifest once the tokenizer is read, which happens while the model
        loads; if it refuses (an adapter that doesn't fit), nothing is left running.

        Raises:
            EngineDeadError: the worker can't load the model.
        """
        properties = json.dumps(PROPERTIES.get(quantization, {}))
        command = (
            *(sys.executable, "-m", "fimls.engines.openvino_worker", str(directory), device),
            *(str(PREFILL_CHUNK_TOKENS), str(KV_BLOCKS), properties),
        )
        starting = asyncio.create_task(_Worker.start(command))
        try:
            tokenizer = await asyncio.to_thread(Tokenizer.from_file, directory / "tokenizer.json")
            manifest = await asyncio.to_thread(describe, tokenizer)
            engine = cls(command, model=model, manifest=manifest, tokenizer=tokenizer)
            engine._worker = await starting
        except BaseException:
            starting.cancel()
            with contextlib.suppress(asyncio.CancelledError, EngineDeadError):
                await (await starting).stop()
            raise
        return engine

    async def _running_worker(self) -> _Worker:
        """The worker, started again if it died.

        Raises:
            EngineDeadError: it died too often, or the engine is closed.
        """
        while self._worker is None or not self._worker.alive:
            if self._closed:
                raise EngineDeadError("the engine is closed", hint="restart the server")
            if self._restarting is None:
                self._restarts += 1
                if self._restarts > _MOST_RESTARTS:
                    raise EngineDeadError(
                        f"the engine's process died {self._restarts} times",
                        hint="see the log, then restart the server; `fimls doctor` tries the model",
                    )
                self._restarting = asyncio.create_task(self._restart())
            # Shielded: a request that is cancelled must not stop what the next one waits for.
            await asyncio.shield(self._restarting)
        return self._worker

    async def _restart(self) -> None:
        self._cached.clear()
        try:
            self._worker = await _Worker.start(self._command)
        except asyncio.CancelledError:
            raise EngineDeadError("the engine was closed", hint="restart the server") from None
        finally:
            self._restarting = None

    @property
    def worker_pid(self) -> int | None:
        """The worker's process id while it runs."""
        return self._worker.pid if self._worker is not None and self._worker.alive else None

    async def generate(
        self, prompt: Prompt, sampling: SamplingParams, cancel: CancelToken
    ) -> AsyncGenerator[Delta, None]:
        """See :class:`fimls.engines.base.Engine`. A second candidate starts once the first has a
        token, when the prompt's keys and values are there to be shared.
        """
        worker = await self._running_worker()
        began = time.perf_counter()
        deltas: asyncio.Queue[Delta | EngineError] = asyncio.Queue()
        ids = prompt.token_ids
        reused = self._cached.match(ids)
        running: dict[int, asyncio.Task[None]] = {}
        ttft_ms: float | None = None

        def start_candidate(index: int) -> None:
            task = self._candidate(worker, index, prompt, sampling, cancel, deltas)
            running[index] = asyncio.create_task(task)

        start_candidate(0)
        left = 1
        try:
            while left:
                delta = await deltas.get()
                if isinstance(delta, EngineError):
                    raise delta
                usage = None
                if delta.token_ids and ttft_ms is None:
                    ttft_ms = (time.perf_counter() - began) * 1000
                    usage = Usage(len(ids), reused, ttft_ms, ttft_ms)
                    self._cached.add(ids)
                    for index in range(1, sampling.candidates):
                        start_candidate(index)
                        left += 1
                if delta.finish_reason is not None:
                    left -= 1
                if not left:
                    total_ms = (time.perf_counter() - began) * 1000
                    usage = Usage(len(ids), reused, ttft_ms, total_ms)
                yield dataclasses.replace(delta, usage=usage)
        finally:
            for task in running.values():
                task.cancel()
            await asyncio.gather(*running.values(), return_exceptions=True)

    async def aclose(self) -> None:
        """See :class:`fimls.engines.base.Engine`."""
        self._closed = True
        if self._restarting is not None:
            self._restarting.cancel()
            await asyncio.gather(self._restarting, return_exceptions=True)
        if self._worker is not None:
            await self._worker.stop()

    async def _candidate(
        self,
        worker: _Worker,
        index: int,
        prompt: Prompt,
        sampling: SamplingParams,
        cancel: CancelToken,
        deltas: asyncio.Queue[Delta | EngineError],
    ) -> None:
        """Run one candidate and put its deltas into the queue, an error last."""
        temperature, seed = candidate_sampling(sampling, index)
        candidate = CandidateText(self.tokenizer, prompt.healing)
        message = {
            "op": "generate",
            "id": next(self._ids),
            "ids": prompt.token_ids,
            "max_tokens": sampling.max_tokens,
            "stop_ids": sorted(prompt.stop_token_ids),
            "healing": prompt.healing,
            "deadline_ms": sampling.deadline_ms,
            "temperature": temperature,
            "top_p": sampling.top_p,
            "seed": seed,
        }
        try:
            async for answer in worker.request(message, cancel):
                finish = FinishReason(answer["finish"]) if answer["finish"] else None
                text = candidate.push_ids(answer["ids"]) + (candidate.flush() if finish else "")
                ids, logprobs = tuple(answer["ids"]), tuple(answer["logprobs"])
                deltas.put_nowait(Delta(index, ids, text, logprobs, finish))
        except EngineError as error:
            deltas.put_nowait(error)


class _Worker:
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

    @classmethod
    async def start(cls, command: Sequence[str]) -> _Worker:
        """Start the process and wait until its model is loaded.

        Raises:
            EngineDeadError: it ended, or said nothing for minutes.
        """
        process = await asyncio.create_subprocess_exec(
            *command,
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
                self._send({"op": "cancel", "id": request_id})

        try:
            self._send(message)
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

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        if not self.alive or self._process.stdin.is_closing():
            raise EngineDeadError(
                "the engine's process is gone", hint="it is started again at the next request"
            )
        self._process.stdin.write(json.dumps(message).encode() + b"\n")

    async def _read_messages(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
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


class _PrefixBlocks:
    """Mirrors which prompt starts the worker holds keys and values of.

    GenAI doesn't report reuse, but its rule is simple: whole blocks, found by the hash of all the
    tokens up to their end, the least recently used dropped first; one token is always computed.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._blocks: OrderedDict[int, None] = OrderedDict()

    def match(self, ids: Sequence[int]) -> int:
        """How many of the first tokens of ``ids`` are held."""
        held = 0
        for end, key in self._keys(ids):
            if key not in self._blocks or end >= len(ids):
                break
            held = end
        return held

    def add(self, ids: Sequence[int]) -> None:
        """Note that ``ids`` were computed."""
        for _, key in self._keys(ids):
            self._blocks[key] = None
            self._blocks.move_to_end(key)
        while len(self._blocks) > self._capacity:
            self._blocks.popitem(last=False)

    def clear(self) -> None:
        """Forget everything: the worker is new."""
        self._blocks.clear()

    @staticmethod
    def _keys(ids: Sequence[int]) -> list[tuple[int, int]]:
        keys, key = [], 0
        for end in range(KV_BLOCK_TOKENS, len(ids) + 1, KV_BLOCK_TOKENS):
            key = hash((key, tuple(ids[end - KV_BLOCK_TOKENS : end])))
            keys.append((end, key))
        return keys
