"""The pipeline from a document and an offset to completions.

context -> prompt -> engine -> post-processing, for the latest request of each document only: a
request that is no longer wanted is cancelled at once, because it would steal the processor from
the one that is.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace

from pathspec import GitIgnoreSpec

from fimls import postprocess
from fimls.config import Settings
from fimls.engines.base import Engine
from fimls.engines.loading import prompt_builder
from fimls.fim import build_prompt, find_format
from fimls.syntax import block_starts_here
from fimls.types import (
    CancelToken,
    Completion,
    CompletionContext,
    CompletionResult,
    Delta,
    Document,
    EngineError,
    FinishReason,
    Generation,
    Mode,
    Prompt,
    SamplingParams,
    Snippet,
    Usage,
)

SUPERSEDED = "superseded"
# Beyond the deadline that the engine itself keeps: then it hangs.
_GRACE_S = 2.0


@dataclass(slots=True)
class _Candidate:
    """What has been generated so far for one candidate."""

    token_ids: list[int] = field(default_factory=list)
    text: str = ""
    logprobs: list[float] = field(default_factory=list)
    finish_reason: FinishReason | None = None
    complete: bool = False

    def add(self, delta: Delta, context: CompletionContext) -> None:
        self.token_ids += delta.token_ids
        self.logprobs += delta.logprobs
        self.text += delta.text
        self.finish_reason = delta.finish_reason
        if delta.text and not self.complete:
            self.complete = postprocess.is_complete(self.text, context)

    def generation(self) -> Generation:
        # Cut short because it was complete: as good as a model that stops by itself.
        reason = FinishReason.STOP if self.complete else self.finish_reason
        return Generation(
            tuple(self.token_ids),
            self.text,
            tuple(self.logprobs),
            reason or FinishReason.CANCEL,
        )


@dataclass(slots=True)
class _Outcome:
    """What came out of one run of the engine."""

    candidates: dict[int, _Candidate]
    usage: Usage


def context_at(
    document: Document,
    offset: int,
    settings: Settings,
    *,
    path: str = "",
    mode: Mode | None = None,
    snippets: Sequence[Snippet] = (),
) -> CompletionContext:
    """The context of a request: the text around the cursor, and how much to complete."""
    prefix, suffix = document.text[:offset], document.text[offset:]
    if mode is None and settings.multiline == "auto":
        several = block_starts_here(prefix, suffix, document.language_id)
        mode = Mode.MULTI if several else Mode.SINGLE
    elif mode is None:
        mode = Mode.MULTI if settings.multiline == "always" else Mode.SINGLE
    return CompletionContext(
        prefix=prefix,
        suffix=suffix,
        path=path,
        language_id=document.language_id,
        snippets=tuple(snippets),
        mode=mode,
    )


class Completer:
    """Completes documents with one engine.

    Raises:
        PromptError: at construction, when the engine's format or tokenizer and the settings don't
            fit each other.
    """

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.engine = engine
        self._ids = itertools.count(1)
        self._running: dict[str, CancelToken] = {}
        self._manifest_hash = engine.manifest.hash
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Take other settings for the requests to come; the engine stays."""
        self.builder = prompt_builder(
            find_format(self.engine.manifest.format),
            self.engine.tokenizer,
            settings,
            can_heal=self.engine.capabilities.healing,
        )
        self._excluded = GitIgnoreSpec.from_lines(settings.exclude)
        self.settings = settings

    async def complete(
        self,
        document: Document,
        offset: int,
        *,
        path: str = "",
        invoked: bool = False,
        candidates: int = 1,
        mode: Mode | None = None,
        snippets: Sequence[Snippet] = (),
    ) -> CompletionResult:
        """Complete ``document`` at ``offset`` (code points).

        A call supersedes the one under way for the same document, which then returns without
        completions. invoked: the user asked for it, so switched-off languages are served too.
        mode: overrides the choice by syntax.

        Raises:
            EngineError: the engine failed, or does not answer although its deadline has passed.
        """
        cancel = CancelToken()
        if previous := self._running.get(document.uri):
            previous.cancel()
        if not invoked and (reason := self._switched_off(document, path)):
            return CompletionResult(suppressed=reason)
        context = context_at(
            document, offset, self.settings, path=path, mode=mode, snippets=snippets
        )
        prompt = build_prompt(context, self.builder, manifest_hash=self._manifest_hash)
        sampling = self._sampling(context.mode, min(candidates, self._most_candidates))
        self._running[document.uri] = cancel
        try:
            outcome = await self._generate(prompt, sampling, context, cancel)
            superseded = cancel.cancelled
        finally:
            cancel.cancel()
            if self._running.get(document.uri) is cancel:
                del self._running[document.uri]
        return self._result(outcome, context, prompt, offset, superseded=superseded)

    async def aclose(self) -> None:
        """Cancel what is under way and close the engine."""
        for token in self._running.values():
            token.cancel()
        await self.engine.aclose()

    @property
    def _most_candidates(self) -> int:
        return self.engine.capabilities.candidates

    def _switched_off(self, document: Document, path: str) -> str | None:
        if not self.settings.automatic:
            return "on demand only"
        if document.language_id in self.settings.languages_off:
            return f"switched off for {document.language_id}"
        if path and self._excluded.match_file(path):
            return "path excluded"
        return None

    def _sampling(self, mode: Mode, candidates: int) -> SamplingParams:
        settings = self.settings
        single = mode is Mode.SINGLE
        return SamplingParams(
            max_tokens=settings.max_tokens_single if single else settings.max_tokens_multi,
            temperature=settings.temperature,
            candidates=candidates,
            deadline_ms=settings.deadline_ms or None,
        )

    async def _generate(
        self,
        prompt: Prompt,
        sampling: SamplingParams,
        context: CompletionContext,
        cancel: CancelToken,
    ) -> _Outcome:
        """Collect the engine's deltas, and stop it when nothing more would be shown."""
        began = time.perf_counter()
        found: dict[int, _Candidate] = {index: _Candidate() for index in range(sampling.candidates)}
        usage: Usage | None = None
        timeout_s = sampling.deadline_ms / 1000 + _GRACE_S if sampling.deadline_ms else None
        stream = self.engine.generate(prompt, sampling, cancel)
        async with contextlib.aclosing(_with_timeout(stream, timeout_s)) as deltas:
            async for delta in deltas:
                found[delta.index].add(delta, context)
                usage = delta.usage or usage
                if all(one.complete or one.finish_reason for one in found.values()):
                    break
        # Stopped early, the engine's own total is that of its first token.
        total_ms = (time.perf_counter() - began) * 1000
        usage = usage or Usage(len(prompt.token_ids))
        return _Outcome(found, replace(usage, total_ms=total_ms))

    def _result(
        self,
        outcome: _Outcome,
        context: CompletionContext,
        prompt: Prompt,
        offset: int,
        *,
        superseded: bool,
    ) -> CompletionResult:
        generations = tuple(candidate.generation() for candidate in outcome.candidates.values())
        reasons = [generation.finish_reason for generation in generations]
        completions: list[Completion] = []
        suppressed = SUPERSEDED if superseded else None
        for generation in () if superseded else generations:
            processed = postprocess.process(
                generation, context, control_tokens=self.builder.format.layout_tokens
            )
            suppressed = suppressed or processed.suppressed
            if processed.suppressed or any(processed.text == one.text for one in completions):
                continue
            completions.append(
                Completion(
                    id=f"c{next(self._ids)}",
                    text=processed.text,
                    start=offset,
                    end=offset,
                    confidence=postprocess.confidence(generation.logprobs),
                )
            )
        return CompletionResult(
            completions=tuple(completions),
            suppressed=None if completions else suppressed,
            prompt=prompt,
            generations=generations,
            usage=outcome.usage,
            finish_reason=reasons[0],
            mode=context.mode,
        )


async def _with_timeout(
    stream: AsyncGenerator[Delta, None], timeout_s: float | None
) -> AsyncGenerator[Delta, None]:
    """Pass deltas on; give up on an engine that doesn't keep its deadline.

    Not asyncio.wait_for, which before Python 3.12 loses a cancellation that comes together with a
    delta: the generation would go on.

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
