"""Steps that end a completion where the cursor's block ends, or where the code below fits."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rapidfuzz.distance import Indel

from fimls.postprocess.draft import (
    Draft,
    Left,
    goes_on_in_line,
    indent_columns,
    lines_below,
    split_lines,
    typed_on_line,
)
from fimls.postprocess.seam import Seam, clauses_of, first_word, surroundings_of
from fimls.syntax import get_language, is_prose
from fimls.types import CompletionContext

_FENCE = "```"
# Closing brackets alone, or with a clause after them: ``} else {``.
_CLOSES = re.compile(r"\s*[)\]}]+(?:[;,]?|\s*(?:else|catch|finally|while)\b[^\r\n]*)\s*")
_MOST_LINES_BEYOND = 8
_COMPARED_CHARACTERS = 2_000
_MOST_ENDS = 32
_LIKE = 0.3


def cut_at_fence(draft: Draft) -> Left:
    """Cut at a line that ends a code block in Markdown: a chat model then goes on in prose."""
    if is_prose(draft.context.language_id):
        return draft.leave(draft.text)
    for start, line in split_lines(draft.text):
        if line.startswith(_FENCE) and (start or not typed_on_line(draft.context)):
            return draft.leave(draft.text[:start])
    return draft.leave(draft.text)


def cut_at_block_end(draft: Draft) -> Left:
    """Cut at the first line that leaves the cursor's block.

    After a block's header, where the completion begins with a line break, that is the new block;
    elsewhere it is the block of the cursor's own line. A line leaves it if it is indented less than
    both the completion's first line and the code after the cursor. At the end of an indented block
    (nothing follows, or less indented code), a line leaves it if it isn't indented at all. A clause
    of a statement just written (``else``) doesn't leave it, nor does a line without which the code
    below would not fit. An untuned model runs on into the next function; this step stops it.
    """
    left = _leaving_line(draft)
    if left is None:
        return draft.leave(draft.text)
    end = len(draft.text[: left[0]].rstrip("\r\n"))
    if draft.ended and left[1] > 0 and Seam(draft.text, draft.context).fits(len(draft.text)):
        return draft.leave(draft.text)
    return draft.leave(draft.text[:end])


def has_left_block(draft: Draft) -> bool:
    """Whether nothing written later changes where :func:`cut_at_block_end` cuts.

    A line at the left margin is the end. After any other line that leaves the block, the model may
    still come back to the code below, or end by itself.
    """
    left = _leaving_line(draft)
    if left is None:
        return False
    beyond = [line for _, line in split_lines(draft.text[left[0] :]) if line.strip()]
    return len(beyond) > _MOST_LINES_BEYOND or any(indent_columns(line) == 0 for line in beyond)


def _leaving_line(draft: Draft) -> tuple[int, int] | None:
    """The start and the indentation of the first line that leaves the cursor's block."""
    text, context = draft.text, draft.context
    below = next(map(indent_columns, lines_below(context)), 0)
    first: int | None = None
    seam: Seam | None = None
    clauses = clauses_of(context.language_id)
    for start, line in split_lines(text):
        if not line.strip():
            continue
        if first is None or start == 0:
            first = indent_columns((typed_on_line(context) if start == 0 else "") + line)
            continue
        indent = indent_columns(line)
        if indent >= (min(first, below) if below else min(first, 1)) or _goes_on(line, clauses):
            continue
        if _ends_block(line, indent, context):
            continue
        seam = seam or Seam(text, context)
        if seam.takes_clause(start, indent, line.strip()):
            continue
        if indent == 0 or seam.fits(len(text[:start].rstrip("\r\n"))):
            return start, indent
    return None


def _goes_on(line: str, clauses: Iterable[str]) -> bool:
    """Whether a line closes what is above, or may yet become a clause of it."""
    unfinished = line[-1] not in "\r\n" and any(word.startswith(line.strip()) for word in clauses)
    return unfinished or _CLOSES.fullmatch(line) is not None


def _ends_block(line: str, indent: int, context: CompletionContext) -> bool:
    """Whether a line is a word that ends the cursor's block, and the code below has none for it."""
    language = get_language(context.language_id)
    if language is None or first_word(line.strip()) not in language.block_ends:
        return False
    following = surroundings_of(context).following
    if following is None or following.indent < indent:
        return True
    word = first_word(following.code)
    ended = word in language.block_ends or word in language.clauses
    return following.indent == indent and not ended


def cut_to_fit(draft: Draft) -> Left:
    """Cut at an earlier line's end if the completion's end doesn't fit the code below.

    Then the model has rewritten that code in its own words. Of the lines' ends that fit, the one is
    chosen after which the rest of the completion is most like the code below. Nothing is cut where
    the model ended by itself inside a line: whether two halves of a line fit is hard to tell.
    """
    text = draft.text
    seam = Seam(text, draft.context)
    in_line = goes_on_in_line(draft.context) or text[-1] in " \t"
    if (draft.ended and in_line) or seam.fits(len(text)):
        return draft.leave(text)
    ends = [start + len(line.rstrip()) for start, line in split_lines(text) if line.strip()]
    fitting = [end for end in ends[-_MOST_ENDS - 1 : -1] if seam.fits(end)]
    if not fitting:
        return draft.leave(text)
    after = _condensed(draft.context.suffix)
    likeness = {end: _likeness(text[end:], after) for end in fitting}
    best = max(fitting, key=lambda end: (likeness[end], end))
    return draft.leave(text[: best if likeness[best] >= _LIKE else fitting[-1]])


def _likeness(written: str, after: str) -> float:
    condensed = _condensed(written)
    return Indel.normalized_similarity(condensed, after[: 2 * len(condensed)])


def _condensed(code: str) -> str:
    """Code without its white space."""
    return "".join(code[:_COMPARED_CHARACTERS].split())
