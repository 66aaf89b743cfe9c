"""Serves requests: takes messages in, steps the model, sends messages out."""

from __future__ import annotations

import base64
import json
import os
import select
import time
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from fimls.engines.openvino_worker.generation import Generation, Output
from fimls.engines.openvino_worker.healing import Healing
from fimls.engines.openvino_worker.model import FloatRows, Part
from fimls.engines.prefix_blocks import PrefixBlocks

DECODE_TOKENS = 8
"""Tokens of a decoding step: so many take hardly longer than one."""
WIDTHS = (DECODE_TOKENS, 16, 32)
"""How many tokens a step has if it can: OpenVINO takes 15 ms more for a step of another width than
the last one's."""

_READ_BYTES = 1 << 20
_NO_ROOM = "the prompt needs more memory for keys and values than the engine has"


class Model(Protocol):
    """What :class:`fimls.engines.openvino_worker.model.PagedModel` does."""

    def step(self, parts: list[Part]) -> list[FloatRows]:
        """Compute the parts; returns each one's logits."""
        ...

    def copy_block(self, source: int, target: int) -> None:
        """Make ``target``'s keys and values those of ``source``."""
        ...


@dataclass(slots=True)
class _Request:
    """A request. generation: None until there is room for it. deadline: on the monotonic clock."""

    message: dict[str, Any]
    deadline: float
    generation: Generation | None = None
    cancelled: bool = False


class Service:
    """Steps the model, and between steps takes what came in."""

    def __init__(
        self,
        model: Model,
        blocks: PrefixBlocks,
        *,
        prefill_chunk: int,
        input_fd: int,
        output_fd: int,
    ) -> None:
        self._model = model
        self._blocks = blocks
        self._prefill_chunk = prefill_chunk
        self._input, self._output = input_fd, output_fd
        self._vocabulary = np.empty(0, dtype=np.int64)
        self._requests: dict[int, _Request] = {}
        self._buffer = b""

    def run(self) -> None:
        """Serve until the input ends."""
        self._send({"event": "ready"})
        while self._take_messages():
            if self._requests:
                self._end_cancelled()
                self._admit()
                self._step()

    def _send(self, message: dict[str, Any]) -> None:
        data = json.dumps(message).encode() + b"\n"
        while data:
            data = data[os.write(self._output, data) :]

    def _take_messages(self) -> bool:
        """Handle what has arrived, waiting only when idle; False when the parent is gone."""
        while select.select([self._input], [], [], 0 if self._requests else None)[0]:
            data = os.read(self._input, _READ_BYTES)
            if not data:
                return False
            *lines, self._buffer = (self._buffer + data).split(b"\n")
            for line in lines:
                self._handle(json.loads(line))
        return True

    def _handle(self, message: dict[str, Any]) -> None:
        if message["op"] == "vocabulary":
            ids = np.frombuffer(base64.b64decode(message["ids"]), dtype=np.intc)
            self._vocabulary = ids.astype(np.int64)
        elif message["op"] == "generate":
            limit_ms = message["deadline_ms"]
            limit_s = float("inf") if limit_ms is None else limit_ms / 1000
            self._requests[message["id"]] = _Request(message, time.monotonic() + limit_s)
        elif request := self._requests.get(message["id"]):
            request.cancelled = True

    def _end_cancelled(self) -> None:
        for request_id, request in list(self._requests.items()):
            if request.cancelled or time.monotonic() > request.deadline:
                reason = "cancel" if request.cancelled else "deadline"
                self._report(request_id, Output([], [], reason))

    def _admit(self) -> None:
        """Start those there is room for, in the order they came."""
        for request_id, request in list(self._requests.items()):
            if request.generation is not None:
                continue
            message = request.message
            if not message["ids"]:
                self._fail(request_id, "the prompt is empty")
                continue
            room_tokens = message["max_tokens"] + WIDTHS[-1]  # the last guesses are written too
            lease = self._blocks.lease(message["ids"], room_tokens)
            if lease is not None:
                if lease.copy is not None:
                    self._model.copy_block(*lease.copy)
                healing = Healing(self._vocabulary, message["healing"])
                request.generation = Generation(message, lease, healing)
            elif not self._running():
                self._fail(request_id, _NO_ROOM)
            else:
                break  # whoever runs will make room

    def _running(self) -> dict[int, Generation]:
        """The generations under way by request."""
        requests = self._requests.items()
        return {key: one.generation for key, one in requests if one.generation is not None}

    def _step(self) -> None:
        """All that decode go on by a token or more, the first of the others by a chunk."""
        running = self._running()
        decoding = [key for key, one in running.items() if one.unknown == 1]
        prefilling = [key for key, one in running.items() if one.unknown > 1]
        chosen = [*decoding, *prefilling[:1]]
        if not chosen:
            return
        widths = WIDTHS if len(running) == 1 else (max(1, DECODE_TOKENS // len(running)),)
        parts = [running[key].part(self._prefill_chunk, widths) for key in chosen]
        try:
            logits = self._model.step(parts)
        except RuntimeError as error:
            for key in running:
                self._fail(key, str(error))
            return
        for key, rows in zip(chosen, logits, strict=True):
            try:
                self._report(key, running[key].read(rows))
            except RuntimeError as error:
                self._fail(key, str(error))

    def _report(self, request_id: int, output: Output) -> None:
        """Send what a request came to, token by token."""
        generation = self._requests[request_id].generation
        delta = {"event": "delta", "id": request_id, "finish": None}
        delta["reused"] = 0 if generation is None else generation.lease.reused
        pieces = [
            ([token], [logprob]) for token, logprob in zip(output.ids, output.logprobs, strict=True)
        ]
        if output.finish is not None and not pieces:
            pieces = [([], [])]
        for index, (ids, logprobs) in enumerate(pieces, start=1):
            finish = output.finish if index == len(pieces) else None
            self._send({**delta, "ids": ids, "logprobs": logprobs, "finish": finish})
        if output.finish is not None:
            self._drop(request_id)
        elif not pieces:
            self._send({"event": "prefill", "id": request_id})

    def _fail(self, request_id: int, message: str) -> None:
        self._send({"event": "error", "id": request_id, "message": message})
        self._drop(request_id)

    def _drop(self, request_id: int) -> None:
        generation = self._requests.pop(request_id).generation
        if generation is not None:
            self._blocks.release(generation.lease)
