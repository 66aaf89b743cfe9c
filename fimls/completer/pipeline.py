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
from dataclasses import replace

from pathspec import GitIgnoreSpec

from fimls.completer.asking import (
    ContextSource,
    Pace,
    Request,
    SteadySuffixes,
    context_at,
    may_complete_here,
    select_snippets,
)
from fimls.completer.explanation import AnsweredBy, Explanation
from fimls.completer.flight import AHEAD_TOKENS, Flight
from fimls.completer.flights import Flights
from fimls.completer.presenting import Presenter
from fimls.config import Settings
from fimls.context import SelectionState
from fimls.engines.base import Engine
from fimls.engines.loading import prompt_builder
from fimls.fim import build_prompt, find_format
from fimls.types import (
    CompletionResult,
    Document,
    FimlsError,
    FinishReason,
    Mode,
    SamplingParams,
    Snippet,
    Suppressed,
)

_log = logging.getLogger(__name__)

_EXPLANATIONS_KEPT = 64
# A generation that nobody waits for any more is given this long to be found by the next keystroke:
# editors cancel a request just before they send its successor.
_ORPHAN_S = 0.15
# How long snippets of other files are waited for. A late search serves the next request, whose
# prompt then begins differently: everything is computed twice, which costs more than waiting.
_TYPING_PATIENCE_MS = 400.0
_ASKED_PATIENCE_MS = 2000.0


class Completer:
    """Completes documents with one engine.

    context: where snippets of other files come from; None for none. name: starts every completion's
    id.

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
        ids = itertools.count(1)
        self._new_id = lambda: f"{name}{next(ids)}"
        self._requests = itertools.count(1)
        self._latest: dict[str, Request] = {}
        self._flights = Flights()
        self._paces: dict[str, Pace] = {}
        self._suffixes = SteadySuffixes()
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
        self._presenter = Presenter(
            settings, self.builder.format.layout_tokens, self._context, self._new_id
        )
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
        completions. invoked: the user asked for it, so that languages that are switched off are
        served too, nothing is held back, and the answer has no time limit. mode: overrides the
        choice by syntax. snippets: replace those that the context source finds.

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
        request = Request(document, offset, path, invoked, count, mode, snippets, why)
        self._latest[document.uri] = request
        for flight in self._flights.under_way(document.uri):
            flight.wake()  # the keystrokes that wait for it are no longer the latest
        try:
            return await self._complete(request)
        except FimlsError as error:
            why.suppressed = str(error)
            raise
        except asyncio.CancelledError:
            why.suppressed = why.suppressed or Suppressed.CANCELLED
            raise
        except Exception as error:
            # Without its text, which may quote the document.
            why.suppressed = f"internal error: {type(error).__name__}"
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

    async def _complete(self, request: Request) -> CompletionResult:
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
                reason = request.why.suppressed or Suppressed.SUPERSEDED
                return self._nothing(request, reason, flight)
            if await self._wait(request, flight, typed):
                break
        result = await self._answer(request, flight, typed)
        if result.suppressed != Suppressed.SUPERSEDED:
            flight.answered = True
            _note_speed(pace, request.why)
        return result

    async def _answer(self, request: Request, flight: Flight, typed: str) -> CompletionResult:
        """What is finished; if nothing is yet, what will be finished first.

        Somebody who hasn't typed on would rather see it late than not at all.
        """
        while self._is_latest(request) and not flight.given_up:
            if flight.error is not None:
                self._flights.drop(flight)
                raise flight.error
            result = self._presenter.present(request, flight, typed)
            if result.suppressed != Suppressed.LATE or not flight.serves(typed):
                return result
            await self._wait_for_more(request, flight)
        return self._nothing(request, Suppressed.SUPERSEDED, flight)

    def _is_latest(self, request: Request) -> bool:
        return self._latest.get(request.document.uri) is request

    def _switched_off(self, request: Request) -> str | None:
        if self._context and (reason := self._context.exclusion(request.document.uri)):
            return reason
        if request.invoked:
            return None
        if not self.settings.automatic:
            return Suppressed.ON_DEMAND
        if request.document.language_id in self.settings.languages_off:
            return f"switched off for {request.document.language_id}"
        if request.path and self._excluded.match_file(request.path):
            return Suppressed.EXCLUDED
        return None

    def _nothing(
        self, request: Request, reason: str, flight: Flight | None = None
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

    def _find(self, request: Request) -> tuple[Flight, str] | None:
        """A flight that this keystroke can use, and what was typed since it started."""
        found = self._flights.find(request)
        if found is None:
            return None
        flight, typed = found
        reached = flight.first.text[len(typed) :]
        if flight.landed and not reached and flight.first.finish_reason is not FinishReason.STOP:
            return None  # it ended here for want of tokens or time
        if typed.rstrip(" \t").endswith("\n") and _opens_block(typed):
            return None  # a new block wants several lines, for which this flight wasn't asked
        return found

    async def _take_off(self, request: Request, pace: Pace) -> Flight | None:
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
        if not request.invoked and not may_complete_here(context):
            self._flights.cancel(document.uri)
            why.suppressed = Suppressed.MID_LINE
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
        prompt = build_prompt(replace(context, suffix=shown_suffix), self.builder)
        why.lap("prompt", lap)
        ahead = settings.ahead and not request.invoked
        sampling = self._sampling(context.mode, request.candidates, ahead=ahead)
        self._give_up_others(document.uri, pace)
        flight = Flight(
            context,
            prompt,
            sampling,
            request_id=why.id,
            ahead=ahead,
            kept_suffix=shown_suffix != context.suffix,
            frozen_snippets=why.selection is not None
            and why.selection.state is SelectionState.FROZEN,
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

    async def _select(self, request: Request) -> Sequence[Snippet]:
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

    async def _wait(self, request: Request, flight: Flight, typed: str) -> bool:
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

    async def _wait_for_more(self, request: Request, flight: Flight) -> None:
        """Wait for another line of the generation, or its end."""
        began, lines = time.perf_counter(), flight.first.text.count("\n")
        with _waiting_for(flight):
            while not flight.settled and flight.first.text.count("\n") == lines:
                await flight.changed(None)
                if not self._is_latest(request):
                    break
        request.why.lap("wait", began)

    def _is_ready(self, request: Request, flight: Flight, typed: str) -> bool:
        if flight.settled or not flight.serves(typed):
            return True
        if len(flight.first.text) <= len(typed):
            return False
        return self._presenter.likely_end(request, flight.first, typed) is not None


def _note_speed(pace: Pace, why: Explanation) -> None:
    """Note how fast the engine was, unless it had finished before."""
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
