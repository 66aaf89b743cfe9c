"""The steps in order, for each mode, and what they make of a generation."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

from fimls.postprocess.blocks import cut_at_block_end, cut_at_fence, cut_to_fit, has_left_block
from fimls.postprocess.draft import Draft, Step
from fimls.postprocess.ends import (
    close_brackets,
    cut_control_tokens,
    drop_extra_closers,
    finished_lines,
    keep_lines_apart,
    trim_end,
)
from fimls.postprocess.indentation import match_indentation
from fimls.postprocess.repetition import cut_repetition, drop_lines_above
from fimls.postprocess.seam import Seam
from fimls.postprocess.statement import first_statement, is_first_statement_whole
from fimls.postprocess.suffix import cut_suffix_lines, cut_suffix_overlap, cut_where_line_goes_on
from fimls.postprocess.worth import drop_trifles
from fimls.types import CompletionContext, FinishReason, Generation, Mode

EMPTY = "empty"
"""The reason when the model itself wrote nothing."""

MISSING_CLOSERS = "missing closers"
"""The step in front of the others, for a text that the model itself ended."""

_Steps = tuple[tuple[str, Step], ...]

_TIDY: _Steps = (
    ("extra closers", drop_extra_closers),
    ("repeats the lines above", drop_lines_above),
    ("indentation", match_indentation),
    ("blank end", trim_end),
    ("line break", keep_lines_apart),
    ("not worth it", drop_trifles),
)
STEPS: dict[Mode, _Steps] = {
    Mode.SINGLE: (
        ("prose", cut_at_fence),
        ("single line", first_statement),
        ("repeats the text after the cursor", cut_suffix_overlap),
        ("repeats the lines below", cut_suffix_lines),
        *_TIDY,
    ),
    Mode.MULTI: (
        ("prose", cut_at_fence),
        ("line goes on", cut_where_line_goes_on),
        ("block end", cut_at_block_end),
        ("repeats the lines below", cut_suffix_lines),
        ("repeats itself", cut_repetition),
        ("unfinished line", finished_lines),
        ("repeats the text after the cursor", cut_suffix_overlap),
        ("does not fit the code below", cut_to_fit),
        *_TIDY,
    ),
}
"""The steps of each mode, in order."""


@dataclass(frozen=True, slots=True)
class Processed:
    """The last text, and the reason if it is empty. trace: (step, text after it) for ``fimls why``,
    only for steps that changed something.
    """

    text: str
    suppressed: str | None
    trace: tuple[tuple[str, str], ...]


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
        return Processed("", EMPTY, tuple(trace))
    stopped = generation.finish_reason is FinishReason.STOP and not is_complete(text, context)
    ended = stopped and not Seam(text, context).misplaced(len(text))
    if stopped and not ended and MISSING_CLOSERS not in without:
        closed = close_brackets(text, context)
        if closed != text:
            trace.append((MISSING_CLOSERS, closed))
            text, ended = closed, not Seam(closed, context).misplaced(len(closed))
    for name, step in STEPS[context.mode]:
        if name in without:
            continue
        left = step(Draft(text, context, generation.finish_reason, ended))
        if left != text:
            trace.append((name, left))
            ended = step is cut_where_line_goes_on
        text = left
        if not text.strip():
            return Processed("", name, tuple(trace))
    return Processed(text, None, tuple(trace))


def is_complete(text: str, context: CompletionContext) -> bool:
    """Whether the steps would cut off whatever came after ``text``: generating may stop."""
    if "\n" not in text:
        return False
    draft = Draft(text, context, FinishReason.STOP)
    if context.mode is Mode.SINGLE:
        return is_first_statement_whole(draft)
    if has_left_block(draft) or cut_at_fence(draft) != text:
        return True
    whole = Draft(text[: text.rfind("\n") + 1], context, FinishReason.STOP)
    steps = (cut_where_line_goes_on, cut_suffix_lines, cut_repetition)
    return any(step(whole) != whole.text for step in steps)
