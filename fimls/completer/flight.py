"""A generation under way, or just landed, that several keystrokes may share.

People type faster than a model writes. A keystroke that agrees with what is being generated waits
for that generation instead of starting another, and one that agrees with what was generated is
answered without the engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from bisect import bisect_right
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace

from fimls import postprocess
from fimls.engines.base import Engine
from fimls.postprocess import Processed
from fimls.types import (
    CancelToken,
    CompletionContext,
    Delta,
    EngineError,
    FinishReason,
    Generation,
    Mode,
    Prompt,
    SamplingParams,
    Usage,
)

AHEAD_TOKENS = 40
"""How much a flight goes on writing after a finished line, for the keystrokes to come."""
# About two tokens.
_OVERTAKEN_CHARS_MAX = 6
# After the deadline that the engine itself keeps: an engine that takes longer hangs.
_GRACE_S = 2.0


@dataclass(slots=True)
class Candidate:
    """What has been generated so far of one candidate."""

    token_ids: list[int] = field(default_factory=list)
    text: str = ""
    logprobs: list[float] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    """Where each token's text ends, in code points of ``text``."""

    finish_reason: FinishReason | None = None
    complete: bool = False
    """Whether nothing that follows would be shown."""

    complete_chars: int = 0
    """How much text there was when it became complete."""

    def add(self, delta: Delta, context: CompletionContext) -> None:
        """Take a piece."""
        self.token_ids += delta.token_ids
        self.logprobs += delta.logprobs
        self.text += delta.text
        self.ends += [len(self.text)] * len(delta.token_ids)
        self.finish_reason = delta.finish_reason
        if delta.text and not self.complete:
            self.complete = postprocess.is_complete(self.text, context)
            self.complete_chars = len(self.text)

    def token_texts(self, start: int) -> tuple[str, ...]:
        """The text of each token that ends after ``start``."""
        first = bisect_right(self.ends, start)
        starts = [start, *self.ends[first:]]
        return tuple(self.text[at:end] for at, end in itertools.pairwise(starts))

    @property
    def settled(self) -> bool:
        """Whether what is shown of it can't grow any more."""
        return self.complete or self.finish_reason is not None

    def generation(self, start: int = 0, end: int | None = None) -> Generation:
        """The text from ``start`` to ``end`` (code points), with the tokens that end in it."""
        first = bisect_right(self.ends, start)
        last = len(self.ends) if end is None else bisect_right(self.ends, end)
        # Cut short because it was complete: as good as one that the model ended itself.
        reason = FinishReason.STOP if self.complete else self.finish_reason
        if end is not None and end < len(self.text):
            reason = FinishReason.LENGTH
        return Generation(
            tuple(self.token_ids[first:last]),
            self.text[start:end],
            tuple(self.logprobs[first:last]),
            reason or FinishReason.DEADLINE,
        )


class Flight:
    """One request to the engine.

    id: that of the request that started it.
    context: of that request; keystrokes since then extend its prefix.
    ahead: whether to go on after the first finished line.
    kept_suffix: whether its prompt shows the suffix of an earlier prompt.
    frozen_snippets: whether its prompt has the snippets of an earlier prompt.
    waiting: how many keystrokes wait for it.
    answered: whether a keystroke was answered from it.
    landed: whether the engine has finished; given_up: whether it was stopped before that.
    unknown, processed: what was found out about its names and texts, for later keystrokes.
    """

    def __init__(
        self,
        context: CompletionContext,
        prompt: Prompt,
        sampling: SamplingParams,
        *,
        request_id: int,
        ahead: bool = False,
        kept_suffix: bool = False,
        frozen_snippets: bool = False,
    ) -> None:
        self.id = request_id
        self.context = context
        self.prompt = prompt
        self.sampling = sampling
        self.kept_suffix = kept_suffix
        self.frozen_snippets = frozen_snippets
        self.candidates = [Candidate() for _ in range(sampling.candidates)]
        self.usage = Usage(len(prompt.token_ids))
        self.error: Exception | None = None
        self.waiting = 0
        self.answered = False
        self.landed = False
        self.given_up = False
        self.unknown: dict[str, bool] = {}
        self.processed: dict[tuple[Generation, str], Processed] = {}
        self._began = time.perf_counter()
        self._ahead = ahead and context.mode is Mode.SINGLE and sampling.candidates == 1
        self._cancel = CancelToken()
        self._waiters: set[asyncio.Future[None]] = set()
        self._task: asyncio.Task[None] | None = None

    @property
    def first(self) -> Candidate:
        """The greedy candidate."""
        return self.candidates[0]

    @property
    def offset(self) -> int:
        """Where in its document it started, in code points."""
        return len(self.context.prefix)

    @property
    def age_ms(self) -> float:
        """How long ago it was sent."""
        return (time.perf_counter() - self._began) * 1000

    @property
    def settled(self) -> bool:
        """Whether every candidate is settled."""
        return self.landed or all(one.settled for one in self.candidates)

    def along(self, typed: str) -> bool:
        """Whether what was typed since the flight started agrees with its text so far."""
        text = self.first.text
        if len(typed) < len(text):
            return text.startswith(typed)
        return typed == text if self.landed else typed.startswith(text)

    def serves(self, typed: str) -> bool:
        """Whether a keystroke should wait for this flight, or take what it has.

        Not where the typist is ahead of it: to decode what was typed takes a step for each token,
        to read it as a prompt takes one for all.
        """
        text = self.first.text
        overtaken = bool(text) and not self.landed and len(typed) - len(text) > _OVERTAKEN_CHARS_MAX
        return self.along(typed) and not overtaken

    def start(self, engine: Engine) -> None:
        """Send the request."""
        self._began = time.perf_counter()
        self._task = asyncio.create_task(self._run(engine))

    def cancel(self) -> None:
        """Give the flight up; the keystrokes that wait find it landed."""
        if self.landed:
            return
        self.given_up = True
        self._cancel.cancel()
        if self._task is not None:
            self._task.cancel()

    def wake(self) -> None:
        """Let the keystrokes that wait look again."""
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def changed(self, timeout_s: float | None) -> None:
        """Wait for more text, for :meth:`wake` or for ``timeout_s``."""
        if self.landed:
            return
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiters.add(waiter)
        timer = None if timeout_s is None else loop.call_later(max(timeout_s, 0), self.wake)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)
            if timer is not None:
                timer.cancel()

    async def aclose(self) -> None:
        """Give the flight up and wait until the engine is free."""
        self.cancel()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, engine: Engine) -> None:
        """Collect the engine's deltas, and stop it when nothing more would be used."""
        limit_ms = self.sampling.deadline_ms
        timeout_s = limit_ms / 1000 + _GRACE_S if limit_ms else None
        stream = engine.generate(self.prompt, self.sampling, self._cancel)
        try:
            async with contextlib.aclosing(_with_timeout(stream, timeout_s)) as deltas:
                async for delta in deltas:
                    self.candidates[delta.index].add(delta, self.context)
                    self.usage = delta.usage or self.usage
                    if self._has_enough():
                        break
                    self.wake()
        except Exception as error:  # noqa: BLE001 - raised again for every keystroke that waits
            self.error = error
        finally:
            self.landed = True
            for candidate in self.candidates if self.given_up else ():
                candidate.finish_reason = candidate.finish_reason or FinishReason.CANCEL
            # Stopped early, the engine's own total is that of its first token.
            self.usage = replace(self.usage, total_ms=self.age_ms)
            self._cancel.cancel()
            self.wake()

    def _has_enough(self) -> bool:
        if not all(one.settled for one in self.candidates):
            return False
        if not self._ahead or self.first.finish_reason is not None:
            return True
        beyond = self.first.text[self.first.complete_chars :]
        tokens = len(self.first.ends) - bisect_right(self.first.ends, self.first.complete_chars)
        return "\n" in beyond.lstrip() or tokens >= AHEAD_TOKENS


async def _with_timeout(
    stream: AsyncGenerator[Delta, None], timeout_s: float | None
) -> AsyncGenerator[Delta, None]:
    """Pass deltas on; give up on an engine that doesn't keep its deadline.

    Not by asyncio.wait_for: before Python 3.12 it loses a cancellation that comes together with a
    delta, and the generation would go on.

    Raises:
        EngineError: nothing came for ``timeout_s``.
    """
    try:
        while True:
            coming = asyncio.ensure_future(_next(stream))
            try:
                await asyncio.wait([coming], timeout=timeout_s)
                if not coming.done():
                    raise EngineError(
                        f"the engine did not answer within {timeout_s:.1f} s",
                        hint="raise deadline_ms, or see the engine's log",
                    )
            finally:
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)
            delta = coming.result()
            if delta is None:
                return
            yield delta
    finally:
        await stream.aclose()


async def _next(stream: AsyncGenerator[Delta, None]) -> Delta | None:
    return await anext(stream, None)
