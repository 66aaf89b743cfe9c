"""Steps that tidy a completion: its brackets, its indentation and its end."""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import pairwise

from fimls.postprocess.brackets import PAIRS, missing_closers
from fimls.postprocess.draft import (
    LINE_END,
    NEAR_CHARACTERS,
    Draft,
    Left,
    indentation,
    is_at_start_of_text,
    last_line,
    rest_of_line,
    split_lines,
    typed_on_line,
)
from fimls.postprocess.seam import Seam, surroundings_of
from fimls.syntax import get_language
from fimls.types import FinishReason

_CODE = "x"
_CLOSERS_ONLY = re.compile(r"[\s)\]}>\"'`;,]*")
_USUAL_UNIT = 4
_LINE_BREAK = re.compile(r"[ \t]*(\r\n?|\n)")


def close_brackets(draft: Draft) -> Left:
    """Close what a text opens where neither it nor the code below does.

    Only of a text that the model itself ended. ``)]`` is one token: before a ``]`` that is there
    already, a model easily forgets the ``)``. What closes a bracket at a line's end gets a line of
    its own.
    """
    text, context = draft.text, draft.context
    if not draft.stopped or draft.ended:
        return draft.leave(text)
    seam = Seam(text, context)
    language = get_language(context.language_id)
    if language is None or not language.quotes or not seam.misplaced(len(text)):
        return draft.leave(text)  # prose, or nothing to close
    if Seam(text + _CODE, context).written()[-1:] != _CODE:
        return draft.leave(text)  # it ends in a string or a comment
    excess = _excess(seam, text)
    closed = text
    for opener, closer in missing_closers(seam.written()):
        if excess[closer] <= 0:
            break
        excess[closer] -= 1
        line_break = _line_break(typed_on_line(context) + text[:opener], text[opener + 1 :])
        closed = (closed.rstrip() if line_break else closed) + line_break + closer
    return draft.leave(closed, ended=not Seam(closed, context).misplaced(len(closed)))


def _line_break(before: str, after: str) -> str:
    """The line break and indentation before what closes a bracket at a line's end; else ""."""
    end = _LINE_BREAK.match(after)
    line = last_line(before)
    return end[1] + line[: len(line) - len(line.lstrip())] if end else ""


def finished_lines(draft: Draft) -> Left:
    """Drop a last line that the model had no time or tokens to finish, if others are left."""
    if draft.finish_reason is FinishReason.STOP:
        return draft.leave(draft.text)
    end = draft.text.rfind("\n")
    return draft.leave(draft.text[:end].removesuffix("\r") if end > 0 else draft.text)


def drop_extra_closers(draft: Draft) -> Left:
    """Drop closing brackets at the end that close nothing, since the code below has them.

    An editor inserts ``)`` after ``f(``; a model writes ``a, b))`` and means both.
    """
    text = draft.text
    seam = Seam(text, draft.context)
    language = get_language(draft.context.language_id)
    line = last_line(typed_on_line(draft.context) + text.rstrip())
    is_label = language is not None and re.fullmatch(language.label_line, line) is not None
    if is_label or not seam.around.known:
        return draft.leave(text)
    excess = _excess(seam, text)
    while excess.get(text.rstrip()[-1:], 0) < 0:
        excess[text.rstrip()[-1]] += 1
        text = text.rstrip()[:-1].rstrip()
    return draft.leave(text)


def _excess(seam: Seam, text: str) -> dict[str, int]:
    """How many brackets too many ``text`` opens, by the closing bracket of each kind."""
    return {pair[1]: count for pair, count in zip(PAIRS, seam.excess(len(text)), strict=True)}


def trim_end(draft: Draft) -> Left:
    """Drop blank space at a line's end: it would be typed anyway, or trimmed on saving.

    Before other text on the line it is kept: ``x = |y`` may well need ``a + ``.
    """
    in_front = rest_of_line(draft.context).strip()
    return draft.leave(draft.text if in_front else draft.text.rstrip())


def keep_lines_apart(draft: Draft) -> Left:
    """End with a line break where the cursor is at the start of a line that has text.

    Not where the completion ends inside that line's indentation.
    """
    if is_at_start_of_text(draft.context) and not (draft.ended and draft.text[-1] in " \t"):
        return draft.leave(draft.text.rstrip() + "\n")
    return draft.leave(draft.text)


def match_indentation(draft: Draft) -> Left:
    """Write the completion's indentation with the file's characters: tabs, or spaces.

    Only where the lines above the cursor use one of the two alone, and only on lines that begin in
    the completion; a tab is worth as many spaces as a level has.
    """
    at_line_start = not typed_on_line(draft.context)
    written = [
        indentation(line) for start, line in split_lines(draft.text) if start or at_line_start
    ]
    if not any(written):
        return draft.leave(draft.text)
    near = draft.context.prefix[-NEAR_CHARACTERS:]
    above = [indentation(line) for line in LINE_END.split(near)]
    tabs = any(indent.startswith("\t") for indent in above)
    spaces = any(indent.startswith(" ") for indent in above)
    foreign = [indent for indent in written if indent.startswith(" " if tabs else "\t")]
    if tabs == spaces or not foreign:
        return draft.leave(draft.text)
    unit = _unit(foreign) if tabs else _step(above)

    def reindented(match: re.Match[str]) -> str:
        if match.start() == 0 and not at_line_start:
            return match[0]
        columns = len(match[0].expandtabs(unit))
        return "\t" * (columns // unit) + " " * (columns % unit) if tabs else " " * columns

    return draft.leave(re.sub(r"(?:\A|(?<=[\r\n]))[ \t]+", reindented, draft.text))


def _unit(indents: list[str]) -> int:
    """How many spaces make a level: two where all are multiples of two but not of four."""
    width = math.gcd(*map(len, indents))
    return 2 if width % 2 == 0 and width % _USUAL_UNIT else _USUAL_UNIT


def _step(indents: list[str]) -> int:
    """How many spaces a level has: the most frequent step from one line to a deeper one."""
    steps = Counter(len(b) - len(a) for a, b in pairwise(indents) if len(b) > len(a))
    return steps.most_common(1)[0][0] if steps else _USUAL_UNIT


def drop_trifles(draft: Draft) -> Left:
    """Drop a completion of closing brackets and quotes, unless something is open that they close.

    Editors insert those by themselves, and a suggestion doesn't help to type them.
    """
    if not _CLOSERS_ONLY.fullmatch(draft.text):
        return draft.leave(draft.text)
    around = surroundings_of(draft.context)
    line = typed_on_line(draft.context) + rest_of_line(draft.context)
    in_string = any(quote in draft.text and line.count(quote) % 2 for quote in "\"'`")
    closes_nothing = around.known and min(around.missing) >= 0 and not in_string
    return draft.leave("" if closes_nothing else draft.text)
