"""From what a model wrote to what a person is shown: pure functions, each step with a name.

A step takes the text so far and the context it was written for, and returns the text it leaves.
An empty text suppresses the completion, with the name of the step that emptied it as the reason.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from fimls.types import CompletionContext, FinishReason, Generation, Mode

EMPTY = "empty"
"""The reason when the model itself wrote nothing."""

_LINE_END = re.compile(r"\r?\n")
_MOST_COMPARED_LINES = 3
_TAB_COLUMNS = 8


@dataclass(frozen=True, slots=True)
class Draft:
    """A completion on its way through the steps."""

    text: str
    context: CompletionContext
    finish_reason: FinishReason


Step = Callable[[Draft], str]


@dataclass(frozen=True, slots=True)
class Processed:
    """The last text, and the reason if it is empty. trace: (step, text after it) for ``fimls why``,
    only for steps that changed something."""

    text: str
    suppressed: str | None
    trace: tuple[tuple[str, str], ...]


def process(
    generation: Generation, context: CompletionContext, *, control_tokens: Sequence[str] = ()
) -> Processed:
    """Run every step that the context's mode has."""
    text = cut_control_tokens(generation.text, control_tokens)
    trace = [("control tokens", text)] if text != generation.text else []
    if not text.strip():
        return Processed("", EMPTY, tuple(trace))
    for name, step in STEPS[context.mode]:
        left = step(Draft(text, context, generation.finish_reason))
        if left != text:
            trace.append((name, left))
        text = left
        if not text.strip():
            return Processed("", name, tuple(trace))
    return Processed(text, None, tuple(trace))


def is_complete(text: str, context: CompletionContext) -> bool:
    """Whether the steps would cut off whatever came after ``text``: generating may stop."""
    draft = Draft(text, context, FinishReason.STOP)
    if context.mode is Mode.SINGLE:
        return "\n" in text
    finished = text[: text.rfind("\n") + 1]
    if not finished:
        return False
    ends_block = cut_at_block_end(draft) != text
    return ends_block or cut_suffix_lines(Draft(finished, context, FinishReason.STOP)) != finished


def cut_control_tokens(text: str, control_tokens: Sequence[str]) -> str:
    """Cut at the first control token: an engine that stops on text, not ids, may let one out."""
    ends = [end for token in control_tokens if (end := text.find(token)) >= 0]
    return text[: min(ends)] if ends else text


def first_line(draft: Draft) -> str:
    """Keep what belongs to the cursor's line."""
    return _LINE_END.split(draft.text, maxsplit=1)[0]


def finished_lines(draft: Draft) -> str:
    """Drop a last line that the model had no time or tokens to finish, unless it is the only one."""
    if draft.finish_reason is FinishReason.STOP:
        return draft.text
    end = draft.text.rfind("\n")
    return draft.text[:end] if end > 0 else draft.text


def cut_at_block_end(draft: Draft) -> str:
    """Cut at the first line that leaves the block which the cursor is in.

    A line leaves it when it is indented less than both the completion's first line and the code
    after the cursor; at the end of an indented block (nothing, or less indented code after it),
    when it isn't indented at all. An untuned model runs on into the next function; this is what
    stops it.
    """
    context = draft.context
    lines = draft.text.splitlines(keepends=True)
    line_start = context.prefix[context.prefix.rfind("\n") + 1 :]
    first = _indent(line_start + lines[0]) if lines and (line_start + lines[0]).strip() else None
    after = next((line for line in _lines_below(context) if line.strip()), "")
    below = _indent(after)
    ends = accumulate(map(len, lines), initial=0)
    for line, start in list(zip(lines, ends))[1:]:  # noqa: B905 - ends has the total as well
        if not line.strip():
            continue
        if first is None:
            first = _indent(line)
            continue
        least = min(first, below) if below else min(first, 1)
        if _indent(line) < least and not _only_closes(line):
            return draft.text[:start].rstrip("\r\n")
    return draft.text


def cut_suffix_lines(draft: Draft) -> str:
    """Cut where the completion starts to repeat the lines below the cursor."""
    below = [line.strip() for line in _lines_below(draft.context) if line.strip()]
    if not below:
        return draft.text
    lines = draft.text.splitlines(keepends=True)
    starts = list(accumulate(map(len, lines), initial=0))
    written = [(line.strip(), start) for line, start in zip(lines, starts) if line.strip()]  # noqa: B905
    for index, (line, start) in enumerate(written):
        if index == 0 and draft.context.prefix[-1:] not in ("", "\n"):
            continue  # the cursor's own line
        compared = [text for text, _ in written[index : index + _MOST_COMPARED_LINES]]
        if line == below[0] and _match(compared, below) and _is_distinct(compared):
            return draft.text[:start].rstrip("\r\n")
    return draft.text


def cut_suffix_overlap(draft: Draft) -> str:
    """Cut the completion's end where it equals the start of the text after the cursor."""
    rest, text = _rest_of_line(draft.context), draft.text
    if not rest.strip():
        return text
    for length in range(min(len(rest), len(text)), 0, -1):
        if text.endswith(rest[:length]) and (length == len(rest) or len(rest[:length].strip()) > 1):
            return text[:-length]
    return text


def trim_end(draft: Draft) -> str:
    """Drop blank space at a line's end: it would be typed anyway, or trimmed on saving.

    In front of other text on the line it is kept: ``x = |y`` may well need ``a + ``.
    """
    return draft.text if _rest_of_line(draft.context).strip() else draft.text.rstrip()


def keep_lines_apart(draft: Draft) -> str:
    """End with a line break where the cursor is at the start of a line that has text."""
    if _is_at_start_of_text(draft.context):
        return draft.text.rstrip() + "\n"
    return draft.text


STEPS: dict[Mode, tuple[tuple[str, Step], ...]] = {
    Mode.SINGLE: (
        ("single line", first_line),
        ("repeats the text after the cursor", cut_suffix_overlap),
        ("repeats the lines below", cut_suffix_lines),
        ("blank end", trim_end),
        ("line break", keep_lines_apart),
    ),
    Mode.MULTI: (
        ("block end", cut_at_block_end),
        ("repeats the lines below", cut_suffix_lines),
        ("unfinished line", finished_lines),
        ("repeats the text after the cursor", cut_suffix_overlap),
        ("blank end", trim_end),
        ("line break", keep_lines_apart),
    ),
}
"""The steps of each mode, in order."""


def confidence(logprobs: Sequence[float]) -> float | None:
    """The geometric mean of the tokens' probabilities; None without log-probabilities."""
    return math.exp(sum(logprobs) / len(logprobs)) if logprobs else None


def _rest_of_line(context: CompletionContext) -> str:
    return _LINE_END.split(context.suffix, maxsplit=1)[0]


def _is_at_start_of_text(context: CompletionContext) -> bool:
    return context.prefix[-1:] in ("", "\n") and bool(_rest_of_line(context).strip())


def _lines_below(context: CompletionContext) -> list[str]:
    """The lines after the completion: the cursor's own rest of line only if it will stand below."""
    lines = _LINE_END.split(context.suffix)
    return lines if _is_at_start_of_text(context) else lines[1:]


def _indent(line: str) -> int:
    spaces = line[: len(line) - len(line.lstrip(" \t"))]
    return len(spaces.expandtabs(_TAB_COLUMNS))


def _only_closes(line: str) -> bool:
    return re.fullmatch(r"\s*[)\]}]+[;,]?\s*", line) is not None


def _match(written: Sequence[str], below: Sequence[str]) -> bool:
    """Whether written lines repeat those below; the last written one may be incomplete."""
    pairs = list(zip(written, below))  # noqa: B905 - as many as both have
    whole = all(one == other for one, other in pairs[:-1])
    return whole and pairs[-1][1].startswith(pairs[-1][0])


def _is_distinct(lines: Sequence[str]) -> bool:
    """A lone ``}`` or ``else:`` may well stand twice; a line with a word and more may not."""
    return len(lines) > 1 or len(re.findall(r"\w", lines[0])) > 4
