"""The pipeline: context -> prompt -> engine -> post-processing -> gate, at the speed of typing.

For each document the latest request wins. What an earlier one started is used where it still agrees
with what was typed, and given up at once where it doesn't: stale work steals the processor.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pathspec import GitIgnoreSpec

from fimls import postprocess
from fimls.completer import gate
from fimls.completer.explanation import AnsweredBy, Explanation
from fimls.completer.flight import AHEAD_TOKENS, Candidate, Flight
from fimls.completer.flights import Flights, Wanted
from fimls.completer.pace import Pace
from fimls.completer.request import ContextSource, context_at, select_snippets
from fimls.completer.steady import SteadySuffixes
from fimls.config import Settings
from fimls.engines.base import Engine
from fimls.engines.loading import prompt_builder
from fimls.fim import build_prompt, find_format
from fimls.postprocess import Processed
from fimls.syntax import known_words
from fimls.types import (
    Completion,
    CompletionContext,
    CompletionResult,
    Document,
    FimlsError,
    FinishReason,
    Generation,
    Mode,
    SamplingParams,
    Snippet,
)

_log = logging.getLogger(__name__)

SUPERSEDED = "superseded"
LATE = "nothing finished in time"
UNLIKELY = "unlikely"
NOTHING_TO_ADD = "nothing to add"

_EXPLANATIONS_KEPT = 64
# A generation that nobody waits for any more is given this long to be found by the next keystroke:
# editors cancel a request just before they send its successor.
_ORPHAN_S = 0.15
# How long snippets of other files are waited for. A late search serves the next request, whose
# prompt then begins differently: everything is computed twice, which costs more than waiting.
_TYPING_PATIENCE_MS = 400.0
_ASKED_PATIENCE_MS = 2000.0


@dataclass(slots=True)
class _Request:
    """One call of :meth:`Completer.complete`."""

    document: Document
    offset: int
    path: str
    invoked: bool
    candidates: int
    mode: Mode | None
    snippets: Sequence[Snippet] | None
    why: Explanation

    @property
    def prefix(self) -> str:
        return self.document.text[: self.offset]

    @property
    def suffix(self) -> str:
        return self.document.text[self.offset :]


class Completer:
    """Completes documents with one engine.

    context: snippets of other files; None for none. name: starts every completion's id.

    Raises:
        PromptError: at construction, when the engine's format or tokenizer and the settings don't
            fit each other.
    """

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        *,
        context: ContextSource | None = None,
        name: str = "c",
    ) -> None:
        self.engine = engine
        self.explanations: deque[Explanation] = deque(maxlen=_EXPLANATIONS_KEPT)
        self._context = context
        self._name = name
        self._ids = itertools.count(1)
        self._requests = itertools.count(1)
        self._latest: dict[str, _Request] = {}
        self._flights = Flights()
        self._paces: dict[str, Pace] = {}
        self._suffixes = SteadySuffixes()
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
        self._flights.clear()
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
        snippets: Sequence[Snippet] | None = None,
    ) -> CompletionResult:
        """Complete ``document`` at ``offset`` (code points).

        A call supersedes the one under way for the same document, which then returns without
        completions. invoked: the user asked for it: languages that are switched off are served too,
        nothing is held back, and the answer is waited for. mode: overrides the choice by syntax.
        snippets: in place of those that the context source finds.

        Raises:
            EngineError: the engine failed, or does not answer although its deadline has passed.
        """
        why = Explanation(
            id=next(self._requests),
            uri=document.uri,
            path=path,
            language_id=document.language_id,
            version=document.version,
            offset=offset,
            invoked=invoked,
        )
        count = min(candidates, self.engine.capabilities.candidates)
        request = _Request(document, offset, path, invoked, count, mode, snippets, why)
        self._latest[document.uri] = request
        for flight in self._flights.under_way(document.uri):
            flight.wake()  # the keystrokes that wait for it are no longer the latest
        try:
            return await self._complete(request)
        except FimlsError as error:
            why.suppressed = str(error)
            raise
        except asyncio.CancelledError:
            why.suppressed = why.suppressed or "cancelled by the editor"
            raise
        finally:
            why.finish()
            _log.debug("%s", why)
            self.explanations.append(why)
            if self._is_latest(request):
                del self._latest[document.uri]

    def forget(self, uri: str) -> None:
        """A document was closed: give up and drop what was generated for it."""
        self._flights.forget(uri)
        self._paces.pop(uri, None)
        self._suffixes.forget(uri)

    async def aclose(self) -> None:
        """Cancel what is under way and close the engine."""
        flights = self._flights.clear()
        await asyncio.gather(*(flight.aclose() for flight in flights))
        await self.engine.aclose()

    # ------------------------------------------------------------------------------- one request

    async def _complete(self, request: _Request) -> CompletionResult:
        pace = self._paces.setdefault(request.document.uri, Pace())
        if not request.invoked:
            pace.key()
        if reason := self._switched_off(request):
            self._flights.cancel(request.document.uri)
            return self._nothing(request, reason)
        if failure := self._flights.take_failure(request.document.uri):
            raise failure
        while True:
            flight, typed = self._find(request) or (None, "")
            if flight is None:
                flight = await self._take_off(request, pace)
            if flight is None or not self._is_latest(request):
                return self._nothing(request, request.why.suppressed or SUPERSEDED, flight)
            if await self._wait(request, flight, typed):
                break
        result = await self._answer(request, flight, typed)
        if result.suppressed != SUPERSEDED:
            flight.answered = True
            _note_speed(pace, request.why)
        return result

    async def _answer(self, request: _Request, flight: Flight, typed: str) -> CompletionResult:
        """What is finished; if nothing is, the first that will be.

        Who hasn't typed on meanwhile would rather see it late than not at all.
        """
        while self._is_latest(request) and not flight.given_up:
            if flight.error is not None:
                self._flights.drop(flight)
                raise flight.error
            result = self._present(request, flight, typed)
            if result.suppressed != LATE or not flight.serves(typed):
                return result
            await self._wait_for_more(request, flight)
        return self._nothing(request, SUPERSEDED, flight)

    def _is_latest(self, request: _Request) -> bool:
        return self._latest.get(request.document.uri) is request

    def _switched_off(self, request: _Request) -> str | None:
        if self._context and (reason := self._context.exclusion(request.document.uri)):
            return reason
        if request.invoked:
            return None
        if not self.settings.automatic:
            return "on demand only"
        if request.document.language_id in self.settings.languages_off:
            return f"switched off for {request.document.language_id}"
        if request.path and self._excluded.match_file(request.path):
            return "path excluded"
        return None

    def _nothing(
        self, request: _Request, reason: str, flight: Flight | None = None
    ) -> CompletionResult:
        request.why.suppressed = reason
        if flight is None:
            return CompletionResult(suppressed=reason)
        generations = tuple(one.generation() for one in flight.candidates)
        return CompletionResult(
            suppressed=reason,
            prompt=flight.prompt,
            generations=generations,
            usage=flight.usage,
            finish_reason=generations[0].finish_reason if flight.settled else FinishReason.CANCEL,
            mode=flight.context.mode,
        )

    # ---------------------------------------------------------------------------------- flights

    def _find(self, request: _Request) -> tuple[Flight, str] | None:
        """A flight that this keystroke can use, and what was typed since it started."""
        wanted = Wanted(
            request.document.uri,
            request.prefix,
            request.suffix,
            request.candidates,
            request.mode,
        )
        found = self._flights.find(wanted)
        if found is None:
            return None
        flight, typed = found
        reached = flight.first.text[len(typed) :]
        if flight.landed and not reached and flight.first.finish_reason is not FinishReason.STOP:
            return None  # it ended here for want of tokens or time
        if typed.rstrip(" \t").endswith("\n") and _opens_block(typed):
            return None  # a new block wants several lines, which this flight didn't write for
        return found

    async def _take_off(self, request: _Request, pace: Pace) -> Flight | None:
        """Start a generation; None, with the reason, if there is none to start."""
        why, document, settings = request.why, request.document, self.settings
        lap = time.perf_counter()
        if not request.invoked and (hold_ms := pace.hold_ms()):
            await asyncio.sleep(hold_ms / 1000)
            lap = why.lap("hold", lap)
            if not self._is_latest(request):
                return None
        context = context_at(
            document, request.offset, settings, path=request.path, mode=request.mode
        )
        if not request.invoked and (reason := postprocess.may_complete_here(context)):
            self._flights.cancel(document.uri)
            why.suppressed = reason
            return None
        lap = why.lap("syntax", lap)
        snippets = request.snippets
        if snippets is None:
            snippets = await self._select(request)
            lap = why.lap("context", lap)
            if not self._is_latest(request):
                return None
        context = replace(context, snippets=tuple(snippets))
        shown_suffix = self._suffixes.steady(document.uri, context.suffix)
        prompt = build_prompt(
            replace(context, suffix=shown_suffix),
            self.builder,
            manifest_hash=self._manifest_hash,
        )
        why.lap("prompt", lap)
        ahead = settings.ahead and not request.invoked
        sampling = self._sampling(context.mode, request.candidates, ahead=ahead)
        self._give_up_others(document.uri, pace)
        flight = Flight(
            context,
            prompt,
            sampling,
            id=why.id,
            ahead=ahead,
            kept_suffix=shown_suffix != context.suffix,
            frozen_snippets=why.selection is not None and why.selection.state == "frozen",
        )
        flight.start(self.engine)
        self._flights.add(document.uri, flight)
        why.answered_by, why.flight = AnsweredBy.ENGINE, flight
        return flight

    def _give_up_others(self, uri: str, pace: Pace) -> None:
        for flight in self._flights.under_way(uri):
            if not flight.answered:
                pace.wasted(flight.age_ms)
            flight.cancel()

    async def _select(self, request: _Request) -> Sequence[Snippet]:
        if self._context is None or not self.settings.context:
            return ()
        selection = await select_snippets(
            self._context,
            request.document,
            request.offset,
            self.builder,
            timeout_ms=_ASKED_PATIENCE_MS if request.invoked else _TYPING_PATIENCE_MS,
        )
        request.why.selection = selection
        return selection.snippets

    def _sampling(self, mode: Mode, candidates: int, *, ahead: bool) -> SamplingParams:
        settings = self.settings
        single = mode is Mode.SINGLE
        most = settings.max_tokens_single if single else settings.max_tokens_multi
        return SamplingParams(
            max_tokens=most + (AHEAD_TOKENS if ahead and single else 0),
            temperature=settings.temperature,
            candidates=candidates,
            deadline_ms=settings.deadline_ms or None,
        )

    async def _wait(self, request: _Request, flight: Flight, typed: str) -> bool:
        """Wait until there is something to answer with, or no time left.

        False if what was typed turns out not to be what is being written.
        """
        why, began = request.why, time.perf_counter()
        why.flight = flight
        if why.answered_by is AnsweredBy.NONE:
            why.answered_by = AnsweredBy.CACHE
        limit_ms = 0 if request.invoked else self.settings.answer_ms
        with _waiting_for(flight):
            while not self._is_ready(request, flight, typed):
                if why.answered_by is AnsweredBy.CACHE:
                    why.answered_by = AnsweredBy.FLIGHT
                left_s = limit_ms / 1000 - (time.perf_counter() - why.began) if limit_ms else None
                if left_s is not None and left_s <= 0:
                    break
                await flight.changed(left_s)
                if not self._is_latest(request):
                    break
        why.lap("wait", began)
        return flight.serves(typed) or not self._is_latest(request) or flight.error is not None

    async def _wait_for_more(self, request: _Request, flight: Flight) -> None:
        """Wait for another line of the generation, or its end."""
        began, lines = time.perf_counter(), flight.first.text.count("\n")
        with _waiting_for(flight):
            while not flight.settled and flight.first.text.count("\n") == lines:
                await flight.changed(None)
                if not self._is_latest(request):
                    break
        request.why.lap("wait", began)

    def _is_ready(self, request: _Request, flight: Flight, typed: str) -> bool:
        if flight.settled or not flight.serves(typed):
            return True
        if len(flight.first.text) <= len(typed):
            return False
        return self._cut(flight, typed, invoked=request.invoked) is not None

    def _cut(self, flight: Flight, typed: str, *, invoked: bool) -> int | None:
        """Where the first candidate's likely part ends, if the rest isn't asked for."""
        if invoked:
            return None
        return gate.likely_end(flight.first, len(typed), self.settings.min_likelihood)

    # --------------------------------------------------------------------------------- the answer

    def _present(self, request: _Request, flight: Flight, typed: str) -> CompletionResult:
        """Post-process, rank and gate what there is."""
        why, lap = request.why, time.perf_counter()
        context = self._context_now(request, flight, typed)
        drafts = [
            self._draft(one, flight, context, typed, invoked=request.invoked)
            for one in flight.candidates  # all, also where an earlier key asked for them
        ]
        # Where nothing of any candidate is left, the first one's steps say why.
        order = (postprocess.rank(drafts, context) if len(drafts) > 1 else []) or [0]
        why.typed, why.mode = typed, context.mode
        why.generation, processed = drafts[order[0]]
        why.token_texts = flight.candidates[order[0]].token_texts(len(typed))
        why.steps = processed.trace
        completions: list[Completion] = []
        reason = processed.suppressed
        for index in order:
            generation, processed = drafts[index]
            if processed.suppressed or any(processed.text == one.text for one in completions):
                continue
            logprobs = _shown_logprobs(generation, processed.text, flight.candidates[index], typed)
            if not request.invoked and (reason := self._gate(request, processed, logprobs, flight)):
                continue
            completions.append(
                Completion(
                    id=f"{self._name}{next(self._ids)}",
                    text=processed.text,
                    start=request.offset,
                    end=request.offset,
                    confidence=postprocess.confidence(logprobs),
                )
            )
        if not completions and self._cut(flight, typed, invoked=request.invoked) is not None:
            reason = UNLIKELY
        elif not completions and not flight.settled:
            reason = LATE
        why.completion_ids = tuple(one.id for one in completions)
        why.shown = tuple(one.text for one in completions)
        why.suppressed = None if completions else reason or NOTHING_TO_ADD
        why.lap("post", lap)
        return CompletionResult(
            completions=tuple(completions),
            suppressed=why.suppressed,
            prompt=flight.prompt,
            generations=tuple(generation for generation, _ in drafts),
            usage=flight.usage,
            finish_reason=flight.first.finish_reason or drafts[0][0].finish_reason,
            mode=context.mode,
        )

    def _context_now(self, request: _Request, flight: Flight, typed: str) -> CompletionContext:
        if not typed and request.suffix == flight.context.suffix:
            return flight.context
        return replace(flight.context, prefix=request.prefix, suffix=request.suffix)

    def _draft(
        self,
        candidate: Candidate,
        flight: Flight,
        context: CompletionContext,
        typed: str,
        *,
        invoked: bool,
    ) -> tuple[Generation, Processed]:
        """What a candidate gives behind what was typed.

        While what was typed is the start of what was shown, the rest of that is shown: a suggestion
        that changes under a person's eyes is worse than none.
        """
        start = len(typed)
        end = None
        if not invoked:
            end = gate.likely_end(candidate, start, self.settings.min_likelihood)
        generation = candidate.generation(start, end)
        if typed and context.suffix == flight.context.suffix:
            whole = self._process(flight, candidate.generation(0, end), flight.context)
            if whole.text.startswith(typed) and len(whole.text) > start:
                return generation, Processed(whole.text[start:], None, whole.trace)
        return generation, self._process(flight, generation, context)

    def _process(
        self, flight: Flight, generation: Generation, context: CompletionContext
    ) -> Processed:
        key = (generation, context.prefix if context is not flight.context else "")
        if key not in flight.processed:
            flight.processed[key] = postprocess.process(
                generation, context, control_tokens=self.builder.format.layout_tokens
            )
        return flight.processed[key]

    def _gate(
        self,
        request: _Request,
        processed: Processed,
        logprobs: Sequence[float],
        flight: Flight,
    ) -> str | None:
        """Why a text is not shown unasked; None if it is."""
        if not logprobs:
            return None
        why = request.why
        context = replace(flight.context, prefix=request.prefix, suffix=request.suffix)
        unknown = self._unknown_names(processed.text, flight, context)
        found = gate.features(processed.text, logprobs, context, unknown)
        verdict = gate.judge(found, self.settings.show_above)
        if why.verdict is None or verdict.probability > why.verdict.probability:
            why.verdict = verdict
        return None if verdict.passed else UNLIKELY

    def _unknown_names(self, text: str, flight: Flight, context: CompletionContext) -> int:
        """How many names occur neither in the document, the workspace nor the language."""
        names = gate.names(text, context.prefix)
        if names - flight.unknown.keys():
            # All that there is so far: the next keystrokes will ask for the rest.
            fresh = (
                names | gate.names(flight.first.text, flight.context.prefix)
            ) - flight.unknown.keys()
            unknown = gate.unseen(fresh, context) - known_words(context.language_id)
            if unknown and self._context is not None:
                unknown -= self._context.known(unknown)
            flight.unknown.update({name: name in unknown for name in fresh})
        return sum(flight.unknown[name] for name in names)


def _note_speed(pace: Pace, why: Explanation) -> None:
    """What was there already says nothing about the engine."""
    if why.answered_by is not AnsweredBy.CACHE:
        pace.answered(why.stages_ms["wait"])


@contextlib.contextmanager
def _waiting_for(flight: Flight) -> Iterator[None]:
    flight.waiting += 1
    try:
        yield
    finally:
        flight.waiting -= 1
        if flight.waiting == 0 and not flight.settled:
            asyncio.get_running_loop().call_later(_ORPHAN_S, _give_up_orphan, flight)


def _give_up_orphan(flight: Flight) -> None:
    if flight.waiting == 0 and not flight.answered:
        flight.cancel()


def _opens_block(typed: str) -> bool:
    """Whether the line before the last line break may open a block: the syntax says more, later."""
    return typed.rstrip().endswith((":", "{", "(", "[", "=>", "do", "then"))


def _shown_logprobs(
    generation: Generation, shown: str, candidate: Candidate, typed: str
) -> tuple[float, ...]:
    """Of the tokens that a shown text consists of: post-processing mostly cuts the end off."""
    raw = generation.text
    length = next(
        (at for at, (one, other) in enumerate(zip(shown, raw, strict=False)) if one != other),
        min(len(shown), len(raw)),
    )
    start = len(typed)
    count = sum(1 for end in candidate.ends if start < end <= start + length)
    return generation.logprobs[: max(count, 1)]
