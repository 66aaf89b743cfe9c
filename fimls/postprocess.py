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

# As in ``text``; not str.splitlines, which also breaks at form feeds, U+2028 and others.
_LINE_END = re.compile(r"\r\n?|\n")
_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")
_WORD_CHARS_OF_DISTINCT_LINE = 5
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
    only for steps that changed something.
    """

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
    """Drop a last line that the model had no time or tokens to finish, if others are left."""
    if draft.finish_reason is FinishReason.STOP:
        return draft.text
    end = draft.text.rfind("\n")
    return draft.text[:end].removesuffix("\r") if end > 0 else draft.text


def cut_at_block_end(draft: Draft) -> str:
    """Cut at the first line that leaves the block which the cursor is in.

    Behind a block's header, where the completion begins with a line break, that is the new block;
    elsewhere it is the block of the cursor's own line. A line leaves it when it is indented less
    than both the completion's first line and the code after the cursor; at the end of an indented
    block (nothing, or less indented code after it), when it isn't indented at all. An untuned model
    runs on into the next function; this is what stops it.
    """
    context = draft.context
    lines = _LINE.findall(draft.text)
    first = _indent(_typed_on_line(context) + lines[0]) if lines and lines[0].strip() else None
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
    """Cut where the completion starts to repeat the lines below the cursor.

    That is a line which equals the next one below, indentation included, and says enough not to
    stand there twice, or closes what the completion didn't open, or is followed by the second one
    below. Nothing written later changes that, so that a generation may be stopped there.
    """
    below = [line.rstrip() for line in _lines_below(draft.context) if line.strip()]
    lines = _LINE.findall(draft.text)
    starts = list(accumulate(map(len, lines), initial=0))
    typed = _typed_on_line(draft.context)
    if lines and not typed.strip():
        lines[0] = typed + lines[0]
    for index, (line, start) in enumerate(zip(lines, starts)):  # noqa: B905 - the total is extra
        begun_before = start == 0 and typed.strip()
        if begun_before or not below or line.rstrip() != below[0]:
            continue
        if (
            _is_distinct(line)
            or (_only_closes(line) and not _open_brackets(draft.text[:start]))
            or _repeats_next(lines[index + 1 :], below[1:])
        ):
            return draft.text[:start].rstrip("\r\n")
    return draft.text


def cut_suffix_overlap(draft: Draft) -> str:
    """Cut the completion's end where it equals the start of the text after the cursor.

    Not where it closes a bracket of the completion: ``f(|)`` takes ``g()`` as it is.
    """
    rest, text = _rest_of_line(draft.context), draft.text
    if not rest.strip():
        return text
    for length in range(min(len(rest), len(text)), 0, -1):
        left, shared = text[:-length], rest[:length]
        if (
            text.endswith(shared)
            and (length == len(rest) or len(shared.strip()) > 1)
            and _open_brackets(left) <= _open_brackets(text)
        ):
            return left
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
    return not _typed_on_line(context) and bool(_rest_of_line(context).strip())


def _typed_on_line(context: CompletionContext) -> str:
    """The cursor's line up to the cursor."""
    prefix = context.prefix
    return prefix[max(prefix.rfind("\n"), prefix.rfind("\r")) + 1 :]


def _lines_below(context: CompletionContext) -> list[str]:
    """The lines after the completion: the cursor's own rest of line only if it will stand below."""
    lines = _LINE_END.split(context.suffix)
    return lines if _is_at_start_of_text(context) else lines[1:]


def _indent(line: str) -> int:
    spaces = line[: len(line) - len(line.lstrip(" \t"))]
    return len(spaces.expandtabs(_TAB_COLUMNS))


def _only_closes(line: str) -> bool:
    return re.fullmatch(r"\s*[)\]}]+[;,]?\s*", line) is not None


def _open_brackets(text: str) -> int:
    """How many brackets are opened and not closed. Strings and comments aren't told apart."""
    count = 0
    for character in text:
        if character in "([{":
            count += 1
        elif character in ")]}":
            count = max(count - 1, 0)
    return count


def _repeats_next(written: Sequence[str], below: Sequence[str]) -> bool:
    """Whether the next line with text is the next below, or its start if it isn't finished."""
    line = next((line for line in written if line.strip()), None)
    if line is None or not below:
        return False
    return line.rstrip() == below[0] or (line[-1] not in "\r\n" and below[0].startswith(line))


def _is_distinct(line: str) -> bool:
    """A lone ``}`` or ``else:`` may well stand twice; a line with a word and more may not."""
    return len(re.findall(r"\w", line)) >= _WORD_CHARS_OF_DISTINCT_LINE
