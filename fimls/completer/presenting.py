"""What of a flight is shown to a keystroke: post-processed, ranked and judged."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import fmean

from fimls import postprocess
from fimls.completer import gate
from fimls.completer.asking import ContextSource, Request
from fimls.completer.flight import Candidate, Flight
from fimls.config import Settings
from fimls.postprocess import Processed
from fimls.postprocess.seam import Seam
from fimls.syntax import error_count, known_words, parse
from fimls.types import Completion, CompletionContext, CompletionResult, Generation, Suppressed

_PARSED_CHARACTERS = 4_000
_PARSE_BUDGET_MS = 10.0


class Presenter:
    """Makes completions of what flights have generated so far.

    control_tokens: a text is cut at the first of them. source: knows which names occur in the
    workspace. new_id: gives each completion its id.
    """

    def __init__(
        self,
        settings: Settings,
        control_tokens: Sequence[str],
        source: ContextSource | None,
        new_id: Callable[[], str],
    ) -> None:
        self._settings = settings
        self._control_tokens = control_tokens
        self._source = source
        self._new_id = new_id

    def present(self, request: Request, flight: Flight, typed: str) -> CompletionResult:
        """The completions that a flight has for a request, or why there are none.

        typed: what was typed since the flight started.
        """
        why, lap = request.why, time.perf_counter()
        context = _context_now(request, flight, typed)
        # All candidates, also where an earlier key asked for them.
        drafts = [self._draft(one, flight, request, context, typed) for one in flight.candidates]
        # Where nothing of any candidate is left, the first one's steps say why.
        order = (rank(drafts, context) if len(drafts) > 1 else []) or [0]
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
            if not request.invoked and not self._is_likely(request, processed, logprobs, flight):
                reason = Suppressed.UNLIKELY
                continue
            completions.append(
                Completion(
                    id=self._new_id(),
                    text=processed.text,
                    start=request.offset,
                    end=request.offset,
                    confidence=confidence(logprobs),
                )
            )
        if not completions and self.likely_end(request, flight.first, typed) is not None:
            reason = Suppressed.UNLIKELY
        elif not completions and not flight.settled:
            reason = Suppressed.LATE
        why.completion_ids = tuple(one.id for one in completions)
        why.shown = tuple(one.text for one in completions)
        why.suppressed = None if completions else reason or Suppressed.NOTHING_TO_ADD
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

    def likely_end(self, request: Request, candidate: Candidate, typed: str) -> int | None:
        """Where a candidate's likely part ends, if the rest isn't asked for."""
        if request.invoked:
            return None
        return gate.likely_end(candidate, len(typed), self._settings.min_likelihood)

    def _draft(
        self,
        candidate: Candidate,
        flight: Flight,
        request: Request,
        context: CompletionContext,
        typed: str,
    ) -> tuple[Generation, Processed]:
        """What a candidate gives after what was typed.

        While what was typed is the start of what was shown, the rest of that is shown: a suggestion
        that changes under a person's eyes is worse than none.
        """
        start, end = len(typed), self.likely_end(request, candidate, typed)
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
                generation, context, control_tokens=self._control_tokens
            )
        return flight.processed[key]

    def _is_likely(
        self, request: Request, processed: Processed, logprobs: Sequence[float], flight: Flight
    ) -> bool:
        """Whether a text is likely enough to be shown unasked."""
        if not logprobs:
            return True
        why = request.why
        context = replace(flight.context, prefix=request.prefix, suffix=request.suffix)
        unknown = self._unknown_names(processed.text, flight, context)
        found = gate.features(processed.text, logprobs, context, unknown)
        verdict = gate.judge(found, self._settings.show_above)
        if why.verdict is None or verdict.probability > why.verdict.probability:
            why.verdict = verdict
        return verdict.passed

    def _unknown_names(self, text: str, flight: Flight, context: CompletionContext) -> int:
        """How many names occur neither in the document, the workspace nor the language."""
        names = gate.names(text, context.prefix)
        if names - flight.unknown.keys():
            # All that there is so far: the next keystrokes will ask for the rest.
            fresh = (
                names | gate.names(flight.first.text, flight.context.prefix)
            ) - flight.unknown.keys()
            unknown = gate.unseen(fresh, context) - known_words(context.language_id)
            if unknown and self._source is not None:
                unknown -= self._source.known(unknown)
            flight.unknown.update({name: name in unknown for name in fresh})
        return sum(flight.unknown[name] for name in names)


def _context_now(request: Request, flight: Flight, typed: str) -> CompletionContext:
    if not typed and request.suffix == flight.context.suffix:
        return flight.context
    return replace(flight.context, prefix=request.prefix, suffix=request.suffix)


def _shown_logprobs(
    generation: Generation, shown: str, candidate: Candidate, typed: str
) -> tuple[float, ...]:
    """The log-probabilities of the shown text's tokens; post-processing mostly cuts the end."""
    raw = generation.text
    length = next(
        (at for at, (one, other) in enumerate(zip(shown, raw, strict=False)) if one != other),
        min(len(shown), len(raw)),
    )
    start = len(typed)
    count = sum(1 for end in candidate.ends if start < end <= start + length)
    return generation.logprobs[: max(count, 1)]


def confidence(logprobs: Sequence[float]) -> float | None:
    """The geometric mean of the tokens' probabilities; None without log-probabilities."""
    return math.exp(sum(logprobs) / len(logprobs)) if logprobs else None


def rank(drafts: Sequence[tuple[Generation, Processed]], context: CompletionContext) -> list[int]:
    """Order candidates, best first: the indices of those to show, each text once.

    Fewest errors first, in the cursor's surroundings with the candidate in place: code below that
    no longer fits, then what a parser can't read. Then the text that most candidates agree on, then
    the highest mean log-likelihood; equals stay in their order. Suppressed ones are left out.
    """
    shown = {index: processed for index, (_, processed) in enumerate(drafts)}
    votes = Counter(one.text for one in shown.values() if one.suppressed is None)
    likelihood = {index: _likelihood(generation) for index, (generation, _) in enumerate(drafts)}
    best: dict[str, int] = {}
    for index, processed in shown.items():
        if processed.suppressed is None:
            other = best.setdefault(processed.text, index)
            if likelihood[index] > likelihood[other]:
                best[processed.text] = index
    if len(best) < 2:
        return list(best.values())
    misfits = {text: _misfits(text, context) for text in best}
    return sorted(
        best.values(),
        key=lambda index: (
            misfits[shown[index].text],
            -votes[shown[index].text],
            -likelihood[index],
        ),
    )


def _likelihood(generation: Generation) -> float:
    return fmean(generation.logprobs) if generation.logprobs else -math.inf


def _misfits(text: str, context: CompletionContext) -> tuple[bool, int]:
    """Whether the code below doesn't fit, and how many parse errors the cursor's surroundings have.

    No errors where nothing can be parsed.
    """
    before = context.prefix[-_PARSED_CHARACTERS:]
    after = context.suffix[:_PARSED_CHARACTERS]
    tree = parse(before + text + after, context.language_id, budget_ms=_PARSE_BUDGET_MS)
    errors = error_count(tree) if tree else 0
    return not Seam(text, context).fits(len(text)), errors
