"""Steps that tidy a completion's end."""

from __future__ import annotations

from collections.abc import Sequence

from fimls.postprocess.brackets import PAIRS
from fimls.postprocess.draft import Draft, is_at_start_of_text, rest_of_line
from fimls.postprocess.seam import Seam
from fimls.syntax import get_language
from fimls.types import CompletionContext, FinishReason

_CLOSER_OF = {pair[0]: pair[1] for pair in PAIRS}
_CODE = "x"


def cut_control_tokens(text: str, control_tokens: Sequence[str]) -> str:
    """Cut at the first control token: an engine that stops on text, not ids, may let one out."""
    ends = [end for token in control_tokens if (end := text.find(token)) >= 0]
    return text[: min(ends)] if ends else text


def close_brackets(text: str, context: CompletionContext) -> str:
    """Close what a text opens where neither it nor the code below does.

    For a text that the model itself ended. ``)]`` is one token: in front of ``]`` a model then
    easily forgets the ``)``.
    """
    seam = Seam(text, context)
    language = get_language(context.language_id)
    if language is None or not language.quotes or not seam.misplaced(len(text)):
        return text  # prose, or nothing to close
    if Seam(text + _CODE, context).written()[-1:] != _CODE:
        return text  # it ends in a string or a comment
    missing = {pair[1]: n for pair, n in zip(PAIRS, seam.excess(len(text)), strict=True)}
    open_now: list[str] = []
    for character in seam.written():
        if character in _CLOSER_OF:
            open_now.append(_CLOSER_OF[character])
        elif open_now and character == open_now[-1]:
            open_now.pop()
    while open_now and missing[open_now[-1]] > 0:
        missing[open_now[-1]] -= 1
        text += open_now.pop()
    return text


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
    extra = {pair[1]: -excess for pair, excess in zip(PAIRS, seam.excess(len(text)), strict=True)}
    while extra.get(text.rstrip()[-1:], 0) > 0:
        extra[text.rstrip()[-1]] -= 1
        text = text.rstrip()[:-1].rstrip()
    return text


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
