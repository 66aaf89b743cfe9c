"""The process that runs OpenVINO GenAI. Not imported: run as ``python -m`` by ``openvino.py``.

GenAI's ``step()`` keeps Python's interpreter lock for a whole prefill chunk, which would stop a
server's event loop; and a crash in native code ends its process. So the pipeline has a process of
its own. It speaks JSON, a line a message, on standard input and output:

    in   {"op": "generate", "id", "ids", "max_tokens", "stop_ids", "healing", "deadline_ms",
          "temperature", "top_p", "seed"}
         {"op": "cancel", "id"}
    out  {"event": "ready"}
         {"event": "prefill", "id"}                                a step without a token: alive
         {"event": "delta", "id", "ids", "logprobs", "finish"}     finish: null or a FinishReason
         {"event": "error", "id", "message"}                       the request failed

It ends when its standard input does, so it can't outlive its parent.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import select
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import openvino_genai as genai

_READ_BYTES = 1 << 20
_WARM_UP_TOKENS = 40
_MADV_DONTNEED = 4


@dataclass(slots=True)
class _Request:
    """A generation under way."""

    handle: Any
    stop_ids: frozenset[int]
    max_tokens: int
    deadline: float | None
    generated: int = 0
    cancelled: bool = False


class _Worker:
    """Steps the pipeline, and between steps takes what came in."""

    def __init__(
        self,
        directory: str,
        device: str,
        prefill_chunk: int,
        kv_blocks: int,
        properties: dict[str, Any],
    ) -> None:
        # Native code may print; the protocol keeps the real standard output for itself.
        self._out = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)
        scheduler = genai.SchedulerConfig()
        scheduler.max_num_batched_tokens = prefill_chunk
        scheduler.num_kv_blocks = kv_blocks
        scheduler.enable_prefix_caching = True
        scheduler.dynamic_split_fuse = True
        self._pipeline = genai.ContinuousBatchingPipeline(
            directory, scheduler, device, properties, {}
        )
        self._requests: dict[int, _Request] = {}
        self._buffer = b""

    def run(self) -> None:
        """Serve until standard input ends."""
        self._warm_up()
        self._send({"event": "ready"})
        while self._take_messages():
            if self._requests:
                self._step()

    def _warm_up(self) -> None:
        """Run once, so that the first completion doesn't pay for packing the weights."""
        config = genai.GenerationConfig()
        config.max_new_tokens = 2
        config.ignore_eos = True
        ids = openvino.Tensor(np.arange(_WARM_UP_TOKENS, dtype=np.int64)[None])
        handle = self._pipeline.add_request(0, ids, config)  # without its handle it is dropped
        while self._pipeline.has_non_finished_requests():
            self._pipeline.step()
        handle.read_all()
        _release_mapped_weights()

    def _send(self, message: dict[str, Any]) -> None:
        self._out.write(json.dumps(message).encode() + b"\n")

    def _take_messages(self) -> bool:
        """Handle what has arrived, waiting only when idle; False when the parent is gone."""
        while select.select([0], [], [], 0 if self._requests else None)[0]:
            data = os.read(0, _READ_BYTES)
            if not data:
                return False
            *lines, self._buffer = (self._buffer + data).split(b"\n")
            for line in lines:
                self._handle(json.loads(line))
        return True

    def _handle(self, message: dict[str, Any]) -> None:
        request_id = message["id"]
        if message["op"] == "cancel":
            if request := self._requests.get(request_id):
                request.cancelled = True
            return
        try:
            self._requests[request_id] = self._start(request_id, message)
        except RuntimeError as error:
            self._send({"event": "error", "id": request_id, "message": str(error)})

    def _start(self, request_id: int, message: dict[str, Any]) -> _Request:
        config = genai.GenerationConfig()
        config.max_new_tokens = message["max_tokens"]
        config.stop_token_ids = set(message["stop_ids"])
        config.eos_token_id = message["stop_ids"][0]
        config.logprobs = 1
        if message["temperature"] > 0:
            config.do_sample = True
            config.temperature = message["temperature"]
            config.top_p = message["top_p"]
            config.rng_seed = message["seed"]
        if message["healing"]:
            constraint = genai.StructuredOutputConfig()
            constraint.regex = _begins_with(message["healing"])
            config.structured_output_config = constraint
        ids = openvino.Tensor(np.array([message["ids"]], dtype=np.int64))
        deadline_ms = message["deadline_ms"]
        return _Request(
            handle=self._pipeline.add_request(request_id, ids, config),
            stop_ids=frozenset(message["stop_ids"]),
            max_tokens=message["max_tokens"],
            deadline=None if deadline_ms is None else time.monotonic() + deadline_ms / 1000,
        )

    def _step(self) -> None:
        for request_id, request in list(self._requests.items()):
            late = request.deadline is not None and time.monotonic() > request.deadline
            if request.cancelled or late:
                request.handle.cancel()
                self._finish(request_id, "cancel" if request.cancelled else "deadline")
        try:
            if self._pipeline.has_non_finished_requests():
                self._pipeline.step()
        except RuntimeError as error:
            for request_id, request in list(self._requests.items()):
                request.handle.cancel()
                del self._requests[request_id]
                self._send({"event": "error", "id": request_id, "message": str(error)})
            return
        for request_id, request in list(self._requests.items()):
            self._read(request_id, request)

    def _read(self, request_id: int, request: _Request) -> None:
        ids: list[int] = []
        logprobs: list[float] = []
        while request.handle.can_read():
            for output in request.handle.read().values():
                ids += output.generated_ids
                logprobs += output.generated_log_probs
        request.generated += len(ids)
        status = request.handle.get_status()
        if ids and ids[-1] in request.stop_ids:
            self._finish(request_id, "stop", ids[:-1], logprobs[: len(ids) - 1])
        elif status == genai.GenerationStatus.IGNORED:
            del self._requests[request_id]
            message = "the prompt needs more memory for keys and values than the engine has"
            self._send({"event": "error", "id": request_id, "message": message})
        elif status != genai.GenerationStatus.RUNNING:
            reason = "length" if request.generated >= request.max_tokens else "stop"
            self._finish(request_id, reason, ids, logprobs)
        elif ids:
            self._send_delta(request_id, ids, logprobs, None)
        else:
            self._send({"event": "prefill", "id": request_id})

    def _finish(
        self,
        request_id: int,
        reason: str,
        ids: list[int] | None = None,
        logprobs: list[float] | None = None,
    ) -> None:
        del self._requests[request_id]
        self._send_delta(request_id, ids or [], logprobs or [], reason)

    def _send_delta(
        self, request_id: int, ids: list[int], logprobs: list[float], finish: str | None
    ) -> None:
        self._send(
            {
                "event": "delta",
                "id": request_id,
                "ids": ids,
                "logprobs": logprobs,
                "finish": finish,
            }
        )


def _begins_with(text: str) -> str:
    """A regular expression, in the grammar compiler's dialect, for ``text`` and anything after.

    Raises:
        RuntimeError: the text has a NUL, on which the compiler crashes.
    """
    if "\0" in text:
        raise RuntimeError("text with a NUL can't be generated again for token healing")
    return re.sub(r"[\\^$.|?*+(){}\[\]/-]", r"\\\g<0>", text) + r"[\s\S]*"


def _release_mapped_weights() -> None:
    """Give back the pages of the weight file: the engine computes on a packed copy.

    Half of the resident memory of a small model is its mapped file, read once. The mapping stays
    valid: pages come back from the file if something reads them. Linux only.
    """
    maps = Path("/proc/self/maps")
    if not maps.exists():
        return
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for line in maps.read_text(encoding="utf-8").splitlines():
        span, access, *_ = line.split()
        if line.endswith("openvino_model.bin") and "w" not in access:
            start, end = (int(address, 16) for address in span.split("-"))
            madvise(start, end - start, _MADV_DONTNEED)


def main() -> None:
    """Load the model named on the command line, then serve until standard input ends."""
    directory, device, prefill_chunk, kv_blocks, properties = sys.argv[1:]
    worker = _Worker(directory, device, int(prefill_chunk), int(kv_blocks), json.loads(properties))
    worker.run()


if __name__ == "__main__":
    main()
