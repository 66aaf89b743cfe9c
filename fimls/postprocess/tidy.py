"""Steps that tidy a completion's end."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fimls.postprocess.brackets import PAIRS, missing_closers
from fimls.postprocess.draft import Draft, is_at_start_of_text, rest_of_line, typed_on_line
from fimls.postprocess.lines import last_line
from fimls.postprocess.seam import Seam
from fimls.syntax import get_language
from fimls.types import CompletionContext, FinishReason

_CODE = "x"
_LINE_BREAK = re.compile(r"[ \t]*(\r\n?|\n)")


def cut_control_tokens(text: str, control_tokens: Sequence[str]) -> str:
    """Cut at the first control token: an engine that stops on text, not ids, may let one out."""
    ends = [end for token in control_tokens if (end := text.find(token)) >= 0]
    return text[: min(ends)] if ends else text


def close_brackets(text: str, context: CompletionContext) -> str:
    """Close what a text opens where neither it nor the code below does.

    For a text that the model itself ended. ``)]`` is one token: in front of ``]`` a model then
    easily forgets the ``)``. A bracket that ends its line is closed on a line of its own.
    """
    seam = Seam(text, context)
    language = get_language(context.language_id)
    if language is None or not language.quotes or not seam.misplaced(len(text)):
        return text  # prose, or nothing to close
    if Seam(text + _CODE, context).written()[-1:] != _CODE:
        return text  # it ends in a string or a comment
    excess = _excess(seam, text)
    closed = text
    for opener, closer in missing_closers(seam.written()):
        if excess[closer] <= 0:
            break
        excess[closer] -= 1
        line_break = _line_break(typed_on_line(context) + text[:opener], text[opener + 1 :])
        closed = (closed.rstrip() if line_break else closed) + line_break + closer
    return closed


def _line_break(before: str, behind: str) -> str:
    """What stands in front of the closer of a bracket that ends its line; "" if it doesn't."""
    end = _LINE_BREAK.match(behind)
    line = last_line(before)
    return end[1] + line[: len(line) - len(line.lstrip())] if end else ""


def finished_lines(draft: Draft) -> str:
    """Drop a last line that the model had no time or tokens to finish, if others are left."""
    if draft.finish_reason is FinishReason.STOP:
        return draft.text
    end = draft.text.rfind("\n")
    return draft.text[:end].removesuffix("\r") if end > 0 else draft.text


def drop_extra_closers(draft: Draft) -> str:
    """Drop closing brackets at the end that close nothing, since the code below has them.

    An editor inserts ``)`` behind ``f(``; a model writes ``a, b))`` and means both.
    """
    text = draft.text
    seam = Seam(text, draft.context)
    if not seam.around.known:
        return text
    excess = _excess(seam, text)
    while excess.get(text.rstrip()[-1:], 0) < 0:
        excess[text.rstrip()[-1]] += 1
        text = text.rstrip()[:-1].rstrip()
    return text


def _excess(seam: Seam, text: str) -> dict[str, int]:
    """How many brackets of each kind ``text`` opens too many, by the closing one."""
    return {pair[1]: count for pair, count in zip(PAIRS, seam.excess(len(text)), strict=True)}


def trim_end(draft: Draft) -> str:
    """Drop blank space at a line's end: it would be typed anyway, or trimmed on saving.

    In front of other text on the line it is kept: ``x = |y`` may well need ``a + ``.
    """
    return draft.text if rest_of_line(draft.context).strip() else draft.text.rstrip()


def keep_lines_apart(draft: Draft) -> str:
    """End with a line break where the cursor is at the start of a line that has text.

    Not where the completion ends inside that line's indentation.
    """
    if is_at_start_of_text(draft.context) and not (draft.ended and draft.text[-1] in " \t"):
        return draft.text.rstrip() + "\n"
    return draft.text
