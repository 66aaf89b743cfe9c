"""The OpenVINO engine, for CPUs.

The model runs in a worker process (``openvino_worker`` says why); this side only awaits it. When a
worker dies, the requests it had fail, and the next request starts another.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import itertools
import json
import time
from array import array
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fimls.child import Child, module_command
from fimls.config import Settings
from fimls.engines.base import Capabilities
from fimls.engines.candidate import ByteConstraint, CandidateText, candidate_sampling
from fimls.engines.loading import Identity, adapter_folder, prepare_model
from fimls.engines.prefix_blocks import KV_BLOCKS
from fimls.fim import Manifest, Tokenizer
from fimls.progress import Progress
from fimls.store import Store
from fimls.types import (
    CancelToken,
    CapabilityError,
    Delta,
    EngineDeadError,
    EngineError,
    FinishReason,
    Prompt,
    SamplingParams,
    Usage,
)

PREFILL_CHUNK_TOKENS = 48
"""Prompt tokens in a step. A cancel takes effect between two steps. With steps of 32 each token
would take 9 % longer."""
PROPERTIES: Mapping[str, Mapping[str, object]] = {
    # By default activations are quantized in groups of 32. Weights with one scale for each output
    # channel don't need that, and groups of 128 make prefill 20 % faster.
    "int8": {"DYNAMIC_QUANTIZATION_GROUP_SIZE": 128},
}
"""OpenVINO's properties for each quantization."""
_COMMON_PROPERTIES: Mapping[str, object] = {
    # OpenVINO chooses bf16 where the processor has it, for keys and values too, and numpy has no
    # bf16. With AMX it is slower besides: 60 ms instead of 34 for a step of eight tokens.
    "INFERENCE_PRECISION_HINT": "f32",
    # In 8 bits the keys of a block share scales, so a rejected guess would have coarsened the keys
    # that stay. Float16 is as fast.
    "KV_CACHE_PRECISION": "f16",
}
"""OpenVINO's properties for all quantizations."""

_MOST_RESTARTS = 3
_LOAD_TIMEOUT_S = 180.0
# A step takes a few hundred milliseconds at worst, so a worker that is silent for long is stuck.
_SILENCE_TIMEOUT_S = 30.0
_SILENT: dict[str, Any] = {"event": "silent"}


def properties_of(quantization: str) -> dict[str, object]:
    """The properties with which OpenVINO compiles a model of this quantization."""
    return {**_COMMON_PROPERTIES, **PROPERTIES.get(quantization, {})}


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
        """Not called by users: see :meth:`load`. Takes half a second for a large vocabulary."""
        self.model = model
        self.manifest = manifest
        self.tokenizer = tokenizer
        self._constraint = ByteConstraint(tokenizer)
        self._command = command
        self._worker: Worker | None = None
        self._restarting: asyncio.Task[None] | None = None
        self._restarts = 0
        self._closed = False
        self._ids = itertools.count(1)

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

        describe: makes the manifest once the tokenizer is read, while the model loads. If it raises
        (an adapter that doesn't fit), no process is left.

        Raises:
            CapabilityError: another device. EngineDeadError: the worker can't load the model.
        """
        if device != "CPU":
            raise CapabilityError(
                f"the openvino engine runs on a CPU, not on {device}",
                hint="use device = auto; for a GPU, engine = torch, or engine = http with a server",
            )
        properties = json.dumps(properties_of(quantization))
        command = module_command(
            "fimls.engines.openvino_worker.service",
            *(str(directory), str(PREFILL_CHUNK_TOKENS), str(KV_BLOCKS), properties),
        )
        starting = asyncio.create_task(Worker.start(command))
        try:
            tokenizer = await asyncio.to_thread(Tokenizer.from_file, directory / "tokenizer.json")
            manifest = await asyncio.to_thread(describe, tokenizer)
            engine = await asyncio.to_thread(
                cls, command, model=model, manifest=manifest, tokenizer=tokenizer
            )
            engine._take(await starting)  # noqa: SLF001 - this is a constructor
        except BaseException:
            starting.cancel()
            with contextlib.suppress(asyncio.CancelledError, EngineDeadError):
                await (await starting).stop()
            raise
        return engine

    async def _running_worker(self) -> Worker:
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
            # Shielded: a cancelled request must not stop what the next one waits for.
            await asyncio.shield(self._restarting)
        return self._worker

    def _take(self, worker: Worker) -> None:
        """Use a worker that has just started."""
        ids = array("i", self._constraint.ids).tobytes()
        worker.send({"op": "vocabulary", "ids": base64.b64encode(ids).decode()})
        self._worker = worker

    async def _restart(self) -> None:
        try:
            self._take(await Worker.start(self._command))
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
        """See :class:`fimls.engines.base.Engine`. The other candidates start when the first has a
        token: then the prompt's keys and values are there to be shared.
        """
        worker = await self._running_worker()
        began = time.perf_counter()
        deltas: asyncio.Queue[Delta | EngineError] = asyncio.Queue()
        ids = prompt.token_ids
        reused: int | None = None
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
                if delta.index == 0 and delta.usage is not None:
                    reused = delta.usage.reused_tokens
                usage = None
                if delta.token_ids and ttft_ms is None:
                    ttft_ms = (time.perf_counter() - began) * 1000
                    usage = Usage(len(ids), reused, ttft_ms, ttft_ms)
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
        worker: Worker,
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
            "healing": self._constraint.plan(prompt.healing.encode()),
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
                usage = Usage(len(prompt.token_ids), answer["reused"])
                deltas.put_nowait(Delta(index, ids, text, logprobs, finish, usage))
        except EngineError as error:
            deltas.put_nowait(error)


async def load(settings: Settings, store: Store, progress: Progress | None) -> OpenVinoEngine:
    """See :func:`fimls.engines.loading.load_engine`."""
    adapter = await asyncio.to_thread(adapter_folder, settings, store)
    prepared = await asyncio.to_thread(prepare_model, settings, adapter, store, progress)
    identity = Identity.of(prepared)
    return await OpenVinoEngine.load(
        prepared.directory,
        model=prepared.name,
        describe=lambda tokenizer: identity.manifest(settings, tokenizer, adapter),
        device="CPU" if settings.device == "auto" else settings.device.upper(),
        quantization=prepared.quantization,
    )


class Worker:
    """The worker process, as the event loop sees it."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._queues: dict[int, asyncio.Queue[dict[str, Any]]] = {}
        # "" once the model is loaded, or why it can't be.
        self._ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._reading = asyncio.create_task(self._read_messages())
        self.alive = True
        self._heard_s = 0.0  # of the event loop's clock

    @classmethod
    async def start(cls, command: Sequence[str]) -> Worker:
        """Start the process and wait until its model is loaded.

        Raises:
            EngineDeadError: it ended, or said nothing for minutes.
        """
        worker = cls(await Child.start(command))
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
        return self._child.pid

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
            if request_id in self._queues and self.alive and self._child.listens:
                self.send({"op": "cancel", "id": request_id})

        try:
            self.send(message)
            cancel.on_cancel(lambda: loop.call_soon_threadsafe(send_cancel))
            while not finished:
                # Not asyncio.wait_for: before Python 3.12 it loses a cancellation that comes
                # together with a message, so that the generation would go on.
                watch = loop.call_later(_SILENCE_TIMEOUT_S, queue.put_nowait, _SILENT)
                try:
                    answer = await queue.get()
                finally:
                    watch.cancel()
                if answer is _SILENT:
                    # It may be busy with earlier requests, and report to those.
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
        """End the process. Idempotent."""
        self.alive = False
        await self._child.aclose()
        await asyncio.gather(self._reading, return_exceptions=True)

    def send(self, message: dict[str, Any]) -> None:
        """Write a message.

        Raises:
            EngineDeadError: there is nobody to read it.
        """
        if not self.alive or not self._child.listens:
            raise EngineDeadError(
                "the engine's process is gone", hint="it is started again at the next request"
            )
        self._child.send(message)

    async def _read_messages(self) -> None:
        loop = asyncio.get_running_loop()
        async for message in self._child.messages():
            self._heard_s = loop.time()
            if message["event"] == "ready":
                if not self._ready.done():
                    self._ready.set_result("")
            # A cancelled request's last deltas have no queue any more.
            elif queue := self._queues.get(message["id"]):
                queue.put_nowait(message)
        self.alive = False
        text = f"the engine's process {await self._child.ended()}"
        if not self._ready.done():
            self._ready.set_result(text)
        for queue in self._queues.values():
            queue.put_nowait({"event": "dead", "message": text})
