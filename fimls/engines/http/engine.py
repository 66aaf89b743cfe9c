"""The http engine: runs prompts on llama-server, vLLM, or any server with ``/v1/completions``.

What the server is and can do is asked once, by :meth:`HttpEngine.connect`; nothing is guessed from
a wrong result later. Prompts and generations are the user's code: they go to the address the user
gave, and into no log and no exception message.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from typing import Any

import httpx

from fimls.config import Settings
from fimls.engines.candidate import CandidateText
from fimls.engines.http.client import RetryPolicy, ServerClient
from fimls.engines.http.probe import Server, probe
from fimls.engines.http.wire import Chunk, StopStrings, server_sent_events
from fimls.engines.loading import adapter_folder, describe
from fimls.fim import Manifest, Tokenizer
from fimls.progress import Progress
from fimls.store import Store
from fimls.types import (
    CancelToken,
    CapabilityError,
    ConfigError,
    Delta,
    EngineDeadError,
    EngineError,
    FinishReason,
    Prompt,
    SamplingParams,
    Usage,
)

_Item = Delta | FinishReason | BaseException
_Queue = asyncio.Queue[_Item]


class HttpEngine:
    """Sends prompts to a completion server. Made by :meth:`connect`.

    server: "llama-server", "vllm" or "openai" (any other). model: as the server names it.
    """

    name = "http"

    def __init__(
        self, client: ServerClient, found: Server, *, manifest: Manifest, tokenizer: Tokenizer
    ) -> None:
        self.server = found.kind
        self.model = found.model
        self.capabilities = found.capabilities
        self.manifest = manifest
        self.tokenizer = tokenizer
        self._client = client
        self._wire = found.wire
        self._queues: set[_Queue] = set()
        self._closed = False

    @classmethod
    async def connect(
        cls,
        address: str,
        *,
        manifest: Manifest,
        tokenizer: Tokenizer,
        model: str | None = None,
        retry: RetryPolicy | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> HttpEngine:
        """Ask the server at ``address`` what it is and can do, with a one-token request.

        address: http or https, with or without the final ``/v1``. model: one of those served; by
        default the first. transport: of httpx, for tests.

        Raises:
            ConfigError: the address is not one.
            UnknownModelError: the server doesn't serve ``model``; the hint names those it does.
            ModelError: the server's control tokens have other ids than ``manifest``.
            EngineError: no server answers, or not as a completion server does.
        """
        client = ServerClient(address, retry=retry or RetryPolicy(), transport=transport)
        try:
            found = await probe(client, manifest=manifest, tokenizer=tokenizer, model=model)
        except BaseException:
            await client.aclose()
            raise
        return cls(client, found, manifest=manifest, tokenizer=tokenizer)

    async def generate(
        self, prompt: Prompt, sampling: SamplingParams, cancel: CancelToken
    ) -> AsyncGenerator[Delta, None]:
        """See :class:`fimls.engines.base.Engine`.

        Each candidate is a request of its own, since they differ in temperature; a server with a
        prefix cache reads the prompt once. A delta has no ids where the server returned none.
        """
        started = time.monotonic()
        self._require_capable(prompt, sampling)
        queue: _Queue = asyncio.Queue()
        candidates = {
            index: _Candidate(index, prompt, self.tokenizer, stops_are_text=not self._wire.ids_out)
            for index in range(sampling.candidates)
        }
        bodies = [self._wire.body(prompt, sampling, index) for index in candidates]
        tasks = [
            asyncio.create_task(self._run(one, body, prompt, sampling, queue))
            for one, body in zip(candidates.values(), bodies, strict=True)
        ]
        for task in tasks:
            task.add_done_callback(lambda task: _report_failure(task, queue))
        self._queues.add(queue)
        timer = _interrupt(queue, cancel, sampling.deadline_ms)
        ttft_ms = None
        running = set(candidates)
        try:
            while running:
                item = await queue.get()
                if isinstance(item, BaseException):
                    raise item
                deltas = [item] if isinstance(item, Delta) else _drain(queue)
                if isinstance(item, FinishReason):
                    left = running - {delta.index for delta in deltas if delta.finish_reason}
                    deltas += [candidates[index].end(item) for index in sorted(left)]
                for delta in deltas:
                    first = ttft_ms is None and bool(delta.text or delta.token_ids)
                    if first:
                        ttft_ms = _since_ms(started)
                    if delta.finish_reason is not None:
                        running.discard(delta.index)
                    usage = Usage(
                        prompt_tokens=len(prompt.token_ids),
                        reused_tokens=candidates[0].reused_tokens,
                        ttft_ms=ttft_ms,
                        total_ms=_since_ms(started),
                    )
                    # Also on the first token's delta: a caller may have enough before the last.
                    yield replace(delta, usage=usage) if first or not running else delta
        finally:
            if timer is not None:
                timer.cancel()
            # Closing the streams is what stops the server: all kinds watch for a disconnect.
            self._queues.discard(queue)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def aclose(self) -> None:
        """See :class:`fimls.engines.base.Engine`."""
        self._closed = True
        for queue in self._queues:
            queue.put_nowait(_closed_error())
        await self._client.aclose()

    def _require_capable(self, prompt: Prompt, sampling: SamplingParams) -> None:
        if self._closed:
            raise _closed_error()
        if prompt.healing and not self.capabilities.healing:
            raise CapabilityError(
                f"the server at {self._client.address} can't constrain a generation to the healed "
                "text",
                hint="build prompts with healing = false, or use llama-server",
            )
        if not 1 <= sampling.candidates <= self.capabilities.candidates:
            raise CapabilityError(
                f"{sampling.candidates} candidates were asked for; the http engine gives 1 to "
                f"{self.capabilities.candidates}",
                hint="ask for fewer candidates",
            )

    async def _run(
        self,
        candidate: _Candidate,
        body: Mapping[str, Any],
        prompt: Prompt,
        sampling: SamplingParams,
        queue: _Queue,
    ) -> None:
        """Stream one candidate into ``queue``."""
        read = self._wire.reader()
        finish: FinishReason | None = None
        async with self._client.stream(
            self._wire.path,
            body,
            quotable=self.tokenizer.decode(prompt.token_ids) + prompt.healing,
            read_timeout_s=(sampling.deadline_ms or 0.0) / 1000,
        ) as response:
            async for event in server_sent_events(response.aiter_bytes()):
                try:
                    chunk = read(event)
                except (KeyError, TypeError, ValueError, IndexError) as error:
                    raise EngineError(
                        "the server's stream is malformed: an event of another shape "
                        f"({type(error).__name__})",
                        hint="the server's version may be too new or too old for fimls",
                    ) from None  # the cause's text may quote generated code
                delta, stopped = candidate.accept(chunk)
                if delta.text or delta.token_ids:
                    queue.put_nowait(delta)
                finish = FinishReason.STOP if stopped else finish or chunk.finish
                if chunk.last or (stopped and chunk.finish is None):
                    break  # else the server has stopped too, and its usage is to come
        if finish is None:
            raise EngineError(
                f"the stream from {self._client.address} ended before the generation did",
                hint="the server's own log says why; the next request tries it again",
            )
        queue.put_nowait(candidate.end(finish))


async def load(settings: Settings, store: Store, progress: Progress | None) -> HttpEngine:
    """See :func:`fimls.engines.loading.load_engine`."""
    if not settings.url:
        raise ConfigError("the http engine has no address", hint="set url, or --url")

    def describe_here() -> tuple[Manifest, Tokenizer]:
        adapter = adapter_folder(settings, store)
        _, tokenizer, identity = describe(settings, adapter, store, progress)
        return identity.manifest(settings, tokenizer, adapter), tokenizer

    manifest, tokenizer = await asyncio.to_thread(describe_here)
    return await HttpEngine.connect(settings.url, manifest=manifest, tokenizer=tokenizer)


class _Candidate:
    """Makes deltas of one candidate's chunks."""

    def __init__(
        self, index: int, prompt: Prompt, tokenizer: Tokenizer, *, stops_are_text: bool
    ) -> None:
        self.reused_tokens: int | None = None
        self._index = index
        self._stop_ids = prompt.stop_token_ids
        stops = [tokenizer.decode([stop]) for stop in prompt.stop_token_ids]
        self._stop_strings = StopStrings(stops if stops_are_text else ())
        self._text = CandidateText(tokenizer, prompt.healing)

    def accept(self, chunk: Chunk) -> tuple[Delta, bool]:
        """The delta of ``chunk``, and whether a stop token or string ends the candidate there."""
        if chunk.reused_tokens is not None:
            self.reused_tokens = chunk.reused_tokens
        stop = next((at for at, one in enumerate(chunk.token_ids) if one in self._stop_ids), None)
        # Some servers spell out a stop token that comes alone; none does after other tokens.
        text, stopped = self._stop_strings.push("" if stop == 0 else chunk.text)
        delta = Delta(
            index=self._index,
            token_ids=chunk.token_ids[:stop],
            text=self._text.push_text(text),
            logprobs=chunk.logprobs[:stop],
        )
        return delta, stopped or stop is not None

    def end(self, reason: FinishReason) -> Delta:
        """The last delta."""
        held = "" if reason is FinishReason.STOP else self._stop_strings.flush()
        text = self._text.push_text(held) + self._text.flush()
        return Delta(index=self._index, text=text, finish_reason=reason)


def _interrupt(
    queue: _Queue, cancel: CancelToken, deadline_ms: float | None
) -> asyncio.TimerHandle | None:
    """Arrange for CANCEL or DEADLINE to be put into ``queue``; the deadline's timer, if any."""
    loop = asyncio.get_running_loop()

    def cancelled() -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody reads the queue
            loop.call_soon_threadsafe(queue.put_nowait, FinishReason.CANCEL)

    cancel.on_cancel(cancelled)
    if deadline_ms is None:
        return None
    return loop.call_later(deadline_ms / 1000, queue.put_nowait, FinishReason.DEADLINE)


def _drain(queue: _Queue) -> list[Delta]:
    """The deltas that already wait: a candidate's end must follow all of its text."""
    items = [queue.get_nowait() for _ in range(queue.qsize())]
    return [item for item in items if isinstance(item, Delta)]


def _report_failure(task: asyncio.Task[None], queue: _Queue) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        queue.put_nowait(error)


def _since_ms(started: float) -> float:
    return (time.monotonic() - started) * 1000


def _closed_error() -> EngineDeadError:
    return EngineDeadError("the engine was closed", hint="start it again")
