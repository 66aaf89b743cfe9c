"""Asking for completions: through the shipped completer, or the model alone."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from fimls.completer import Completer, confidence, context_at
from fimls.config import Settings
from fimls.engines.base import Engine
from fimls.engines.loading import load_engine
from fimls.fim import build_prompt
from fimls.progress import Progress
from fimls.store import Store
from fimls.types import CancelToken, Document, FinishReason, Mode, SamplingParams
from training.evaluation.suites.base import Item


@dataclass(frozen=True, slots=True)
class Answer:
    """What came for an item."""

    texts: tuple[str, ...]
    """Best first; () where nothing is shown."""
    suppressed: str | None = None
    """Why nothing is shown."""
    finish_reason: str | None = None
    """Of the greedy generation."""
    stopped: bool | None = None
    """Whether the model ended it by itself; None where the completer ended it."""
    generated_tokens: int = 0
    prompt_tokens: int = 0
    confidence: float | None = None
    """Of the first text."""
    ttft_ms: float | None = None
    total_ms: float = 0.0


class Asker(Protocol):
    """Answers items; several at once."""

    async def ask(self, item: Item) -> Answer:
        """Complete an item.

        Raises:
            EngineError: the engine failed.
        """
        ...


@dataclass(frozen=True, slots=True)
class FixedAsker:
    """Answers without a model, to prove a suite: its reference passes, nothing doesn't."""

    reference: bool

    async def ask(self, item: Item) -> Answer:
        """Return the reference, or nothing."""
        return Answer((item.reference,) if self.reference else ("",))


@dataclass(frozen=True, slots=True)
class CompleterAsker:
    """Asks as an editor does on demand: the same prompt, engine and post-processing."""

    completer: Completer
    candidates: int = 1

    async def ask(self, item: Item) -> Answer:
        """Return what would be shown."""
        document = _document(item)
        try:
            result = await self.completer.complete(
                document,
                len(item.prefix),
                path=item.path,
                invoked=True,
                candidates=self.candidates,
                mode=item.mode,
                snippets=item.snippets,
            )
        finally:
            self.completer.forget(document.uri)
        usage, greedy = result.usage, result.generations[0]
        return Answer(
            texts=tuple(one.text for one in result.completions),
            suppressed=result.suppressed,
            finish_reason=greedy.finish_reason.value,
            generated_tokens=sum(len(one.token_ids) for one in result.generations),
            prompt_tokens=usage.prompt_tokens,
            confidence=result.completions[0].confidence if result.completions else None,
            ttft_ms=usage.ttft_ms,
            total_ms=usage.total_ms,
        )


@dataclass(frozen=True, slots=True)
class RawAsker:
    """Asks the model alone: the same prompt, but what it writes until it stops by itself."""

    completer: Completer
    candidates: int = 1

    async def ask(self, item: Item) -> Answer:
        """Return what was generated."""
        engine, settings = self.completer.engine, self.completer.settings
        count = min(self.candidates, engine.capabilities.candidates)
        context = context_at(
            _document(item),
            len(item.prefix),
            settings,
            path=item.path,
            mode=item.mode,
            snippets=item.snippets,
        )
        prompt = build_prompt(context, self.completer.builder)
        single = context.mode is Mode.SINGLE
        sampling = SamplingParams(
            max_tokens=settings.max_tokens_single if single else settings.max_tokens_multi,
            temperature=settings.temperature,
            candidates=count,
        )
        texts, tokens = [""] * count, 0
        reason: FinishReason | None = None
        logprobs: list[float] = []
        ttft_ms: float | None = None
        began = time.perf_counter()
        stream = engine.generate(prompt, sampling, CancelToken())
        async with contextlib.aclosing(stream) as deltas:
            async for delta in deltas:
                texts[delta.index] += delta.text
                tokens += len(delta.token_ids)
                if delta.index == 0:
                    logprobs += delta.logprobs
                    reason = delta.finish_reason or reason
                if delta.usage is not None and ttft_ms is None:
                    ttft_ms = delta.usage.ttft_ms
        return Answer(
            texts=tuple(texts),
            finish_reason=None if reason is None else reason.value,
            stopped=reason is FinishReason.STOP,
            generated_tokens=tokens,
            prompt_tokens=len(prompt.token_ids),
            confidence=confidence(logprobs),
            ttft_ms=ttft_ms,
            total_ms=(time.perf_counter() - began) * 1000,
        )


@asynccontextmanager
async def completer_of(
    settings: Settings, *, adapter: str, progress: Progress | None = None
) -> AsyncIterator[Completer]:
    """Load the engine with an adapter (as the setting), and close it at the end.

    Raises:
        as :func:`fimls.engines.loading.load_engine`.
    """
    chosen = replace(settings, adapter=adapter)
    engine: Engine = await load_engine(chosen, Store(), progress=progress)
    completer = Completer(engine, chosen)
    try:
        yield completer
    finally:
        await completer.aclose()


def _document(item: Item) -> Document:
    return Document(f"eval:{item.id}", item.language_id, 0, item.prefix + item.suffix)
