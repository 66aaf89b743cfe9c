"""The steps in order, for each mode, and what they make of a generation."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fimls.postprocess.blocks import cut_at_block_end, cut_at_fence, cut_to_fit, has_left_block
from fimls.postprocess.draft import Draft, Left
from fimls.postprocess.repeats import (
    cut_repetition,
    cut_suffix_lines,
    cut_suffix_overlap,
    cut_where_line_goes_on,
    drop_lines_above,
)
from fimls.postprocess.seam import Seam
from fimls.postprocess.statement import first_statement, is_first_statement_whole
from fimls.postprocess.tidy import (
    close_brackets,
    drop_extra_closers,
    drop_trifles,
    finished_lines,
    keep_lines_apart,
    match_indentation,
    trim_end,
)
from fimls.types import CompletionContext, FinishReason, Generation, Mode, Suppressed


class Step(NamedTuple):
    """A row of :data:`STEPS`."""

    name: str
    """Names the step in traces, and as the reason where it leaves nothing."""

    run: Callable[[Draft], Left]
    is_settled: Callable[[Draft], bool] | None = None
    """Whether the step would cut off all that could be written after a text; None: it never does.
    Asked for each token."""


def _cuts(run: Callable[[Draft], Left]) -> Callable[[Draft], bool]:
    """Settled once the step cuts something off."""
    return lambda draft: run(draft)[0] != draft.text


def _cuts_lines(run: Callable[[Draft], Left]) -> Callable[[Draft], bool]:
    """Settled once the step cuts something off the whole lines: the last one may yet change."""

    def is_settled(draft: Draft) -> bool:
        whole = draft.text[: draft.text.rfind("\n") + 1]
        return run(Draft(whole, draft.context, draft.finish_reason))[0] != whole

    return is_settled


_TIDY = (
    Step("extra closers", drop_extra_closers),
    Step("repeats the lines above", drop_lines_above),
    Step("indentation", match_indentation),
    Step("blank end", trim_end),
    Step("line break", keep_lines_apart),
    Step("not worth it", drop_trifles),
)
STEPS: dict[Mode, tuple[Step, ...]] = {
    Mode.SINGLE: (
        Step("missing closers", close_brackets),
        Step("prose", cut_at_fence),
        Step("single line", first_statement, is_first_statement_whole),
        Step("repeats the text after the cursor", cut_suffix_overlap),
        Step("repeats the lines below", cut_suffix_lines),
        *_TIDY,
    ),
    Mode.MULTI: (
        Step("missing closers", close_brackets),
        Step("prose", cut_at_fence, _cuts(cut_at_fence)),
        Step("line goes on", cut_where_line_goes_on, _cuts_lines(cut_where_line_goes_on)),
        Step("block end", cut_at_block_end, has_left_block),
        Step("repeats the lines below", cut_suffix_lines, _cuts_lines(cut_suffix_lines)),
        Step("repeats itself", cut_repetition, _cuts_lines(cut_repetition)),
        Step("unfinished line", finished_lines),
        Step("repeats the text after the cursor", cut_suffix_overlap),
        Step("does not fit the code below", cut_to_fit),
        *_TIDY,
    ),
}
"""The steps of each mode, in order."""


@dataclass(frozen=True, slots=True)
class Processed:
    """What the steps left of a generation."""

    text: str
    suppressed: str | None
    """Why the text is empty; None if it isn't."""

    trace: tuple[tuple[str, str], ...]
    """The name of each step that changed something, and the text after it."""


def process(
    generation: Generation,
    context: CompletionContext,
    *,
    control_tokens: Sequence[str] = (),
    without: Container[str] = (),
) -> Processed:
    """Run every step that the context's mode has. without: names of steps to leave out."""
    text = cut_control_tokens(generation.text, control_tokens)
    trace = [("control tokens", text)] if text != generation.text else []
    if not text.strip():
        return Processed("", Suppressed.EMPTY, tuple(trace))
    reason = generation.finish_reason
    stopped = reason is FinishReason.STOP and not is_complete(text, context)
    ended = stopped and not Seam(text, context).misplaced(len(text))
    for step in STEPS[context.mode]:
        if step.name in without:
            continue
        left, ended = step.run(Draft(text, context, reason, ended, stopped))
        if left != text:
            trace.append((step.name, left))
        text = left
        if not text.strip():
            return Processed("", step.name, tuple(trace))
    return Processed(text, None, tuple(trace))


def cut_control_tokens(text: str, control_tokens: Sequence[str]) -> str:
    """Cut at the first control token: an engine that stops on text, not ids, may let one out."""
    ends = [end for token in control_tokens if (end := text.find(token)) >= 0]
    return text[: min(ends)] if ends else text


def is_complete(text: str, context: CompletionContext) -> bool:
    """Whether the steps would cut off whatever came after ``text``: generating may stop."""
    if "\n" not in text:
        return False
    draft = Draft(text, context, FinishReason.STOP)
    return any(step.is_settled(draft) for step in STEPS[context.mode] if step.is_settled)
