"""The worker's loop: takes messages, steps the model, sends what came of it."""

from __future__ import annotations

import base64
import contextlib
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from fimls.child import Parent, ParentGoneError
from fimls.engines.openvino_worker.generation import Generation, Healing
from fimls.engines.openvino_worker.model import FloatRows, PagedModel, Part, release_mapped_weights
from fimls.engines.prefix_blocks import KV_BLOCK_TOKENS, PrefixBlocks
from fimls.types import FinishReason

DECODE_TOKENS = 8
"""Tokens of a decoding step: eight take hardly longer than one."""
WIDTHS = (DECODE_TOKENS, 16, 32)
"""The widths that steps have where possible: OpenVINO takes 15 ms longer for a step that is not as
wide as the last one."""

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
    """A request that hasn't ended."""

    message: dict[str, Any]
    deadline: float
    """A time by ``time.monotonic()``."""
    generation: Generation | None = None
    """None until there is room for it."""
    cancelled: bool = False


class Service:
    """Steps the model, and between steps takes what came in."""

    def __init__(
        self, model: Model, blocks: PrefixBlocks, parent: Parent, *, prefill_chunk: int
    ) -> None:
        self._model = model
        self._blocks = blocks
        self._parent = parent
        self._prefill_chunk = prefill_chunk
        self._vocabulary = np.empty(0, dtype=np.int64)
        self._requests: dict[int, _Request] = {}

    def run(self) -> None:
        """Serve until the parent is gone."""
        with contextlib.suppress(ParentGoneError):
            self._parent.send(event="ready")
            while True:
                self._take_messages()
                self._end_cancelled()
                self._admit()
                self._step()

    def _take_messages(self) -> None:
        """Handle what has arrived, waiting only when idle."""
        while message := self._parent.receive(timeout_s=0 if self._requests else None):
            self._handle(message)

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
                reason = FinishReason.CANCEL if request.cancelled else FinishReason.DEADLINE
                self._report(request_id, [], reason)

    def _admit(self) -> None:
        """Start the requests that there is room for, in the order they came."""
        for request_id, request in list(self._requests.items()):
            if request.generation is not None:
                continue
            message = request.message
            if not message["ids"]:
                self._fail(request_id, "the prompt is empty")
                continue
            room_tokens = message["max_tokens"] + WIDTHS[-1]  # the last guesses are written too
            allocation = self._blocks.allocate(message["ids"], room_tokens)
            if allocation is not None:
                if allocation.copy is not None:
                    self._model.copy_block(*allocation.copy)
                healing = Healing(self._vocabulary, message["healing"])
                request.generation = Generation(message, allocation, healing)
            elif not self._running():
                self._fail(request_id, _NO_ROOM)
            else:
                break  # those that run will make room

    def _running(self) -> dict[int, Generation]:
        """The generations that have started, by request."""
        requests = self._requests.items()
        return {key: one.generation for key, one in requests if one.generation is not None}

    def _step(self) -> None:
        """Advance all that decode by a token or more, and the first of the others by a chunk."""
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
                self._report(key, *running[key].read(rows))
            except RuntimeError as error:
                self._fail(key, str(error))

    def _report(
        self, request_id: int, new: list[tuple[int, float]], finish: FinishReason | None
    ) -> None:
        """Send a request's new tokens, one by one."""
        generation = self._requests[request_id].generation
        reused = 0 if generation is None else generation.allocation.reused
        pieces = [([token], [logprob]) for token, logprob in new]
        if finish is not None and not pieces:
            pieces = [([], [])]
        for index, (ids, logprobs) in enumerate(pieces, start=1):
            self._parent.send(
                event="delta",
                id=request_id,
                ids=ids,
                logprobs=logprobs,
                finish=finish.value if finish and index == len(pieces) else None,
                reused=reused,
            )
        if finish is not None:
            self._drop(request_id)
        elif not pieces:
            self._parent.send(event="prefill", id=request_id)

    def _fail(self, request_id: int, message: str) -> None:
        self._parent.send(event="error", id=request_id, message=message)
        self._drop(request_id)

    def _drop(self, request_id: int) -> None:
        generation = self._requests.pop(request_id).generation
        if generation is not None:
            self._blocks.release(generation.allocation)


def main() -> None:
    """Load the model named on the command line, then serve until the parent is gone.

    Arguments: the model's folder, tokens of a prefill step, blocks, properties as JSON.
    """
    directory, prefill_chunk, block_count, properties = sys.argv[1:]
    parent = Parent.connect()
    blocks = PrefixBlocks(int(block_count))
    model = PagedModel(
        Path(directory),
        blocks=blocks.capacity,
        block_tokens=KV_BLOCK_TOKENS,
        properties=json.loads(properties),
    )
    # The first run packs the weights; other widths than this take some milliseconds more once.
    model.step([Part(range(DECODE_TOKENS), 0, range(blocks.capacity), DECODE_TOKENS)])
    release_mapped_weights()
    Service(model, blocks, parent, prefill_chunk=int(prefill_chunk)).run()


if __name__ == "__main__":
    main()
