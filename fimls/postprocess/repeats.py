"""Steps that cut what a completion repeats: code around the cursor, or itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from heapq import nlargest

from rapidfuzz.distance import Indel

from fimls.postprocess.brackets import unmatched
from fimls.postprocess.draft import (
    LINE_END,
    NEAR_CHARACTERS,
    Draft,
    Left,
    indent_columns,
    is_at_start_of_text,
    is_distinct,
    last_line,
    lines_below,
    only_closes,
    rest_of_line,
    split_lines,
    typed_on_line,
)
from fimls.postprocess.seam import Seam

# Says enough to be told from other lines, and yet stands at the end of many a block.
_BARE_JUMP = re.compile(r"(?:return|pass|break|continue|raise|throw)\b\W*\w*\W*")
_QUOTES = "\"'`"
_CLOSERS = re.compile(r"[)\]}]+")

_TIMES = 3
_MOST_LINES = 8
_LINE_CHARACTERS = 2_000
_MOST_PLACES = 32
_AFTER_CHARACTERS = 400
_WINDOW_CHARACTERS = 200
_LEAST_SHARED = 4
# Of the windows compared. Both chosen on random spans that are no part of the published sample.
_LIKE = 0.4
_LIKE_WITHOUT_SHARED = 0.6


def cut_suffix_lines(draft: Draft) -> Left:
    """Cut where the completion starts to repeat the lines below the cursor.

    That is a line which equals the next one below, indentation included, and says enough not to
    stand there twice, or closes what the completion didn't open, or is followed by the second one
    below. Nothing written later changes that, so that a generation may be stopped there. Where the
    code below would not fit then, it is no repetition.
    """
    text, below = draft.text, lines_below(draft.context)
    typed = typed_on_line(draft.context)
    lines = [(start, line) for start, line in split_lines(text) if line.strip()]
    seam: Seam | None = None
    for index, (start, line) in enumerate(lines) if below else ():
        if start == 0:
            if typed.strip():
                continue
            line = typed + line  # noqa: PLW2901 - the cursor's line, as it will stand
        if not _same_code(line, below[0]):
            continue
        following = lines[index + 1][1] if index + 1 < len(lines) else ""
        if (
            (is_distinct(line) and not _BARE_JUMP.fullmatch(line.strip()))
            or (only_closes(line) and not any(opened for _, opened in unmatched(text[:start])))
            or _begins_with(following, below[1:2])
        ):
            seam = seam or Seam(text, draft.context)
            end = len(text[:start].rstrip("\r\n"))
            if end == 0 or seam.fits(end):
                return draft.leave(text[:end])
    return draft.leave(text)


def _begins_with(line: str, below: Sequence[str]) -> bool:
    """Whether a line is the one below, or its start if it isn't finished."""
    if not line or not below:
        return False
    return line.rstrip() == below[0] or (line[-1] not in "\r\n" and below[0].startswith(line))


def _same_code(line: str, other: str) -> bool:
    """Whether two lines differ by their spacing and their kind of quotes at most.

    A share of other characters must not count: ``elif x > 3:`` is not ``elif x > 2:``.
    """
    if indent_columns(line) != indent_columns(other):
        return False
    ours, theirs = ("".join(code.split()).replace("'", '"') for code in (line, other))
    return ours == theirs


def cut_where_line_goes_on(draft: Draft) -> Left:
    """Cut at the first place that goes on with the rest of the cursor's line and the line below.

    Nothing written later changes that, so that a generation may be stopped there.
    """
    rest, below = rest_of_line(draft.context).rstrip(), lines_below(draft.context)
    if is_at_start_of_text(draft.context):
        del below[0]
    if not rest.strip() or not below:
        return draft.leave(draft.text)
    seam: Seam | None = None
    for match in re.finditer(re.escape(rest) + r"[ \t]*(?:\r\n?|\n)", draft.text):
        lines = split_lines(draft.text[match.end() : match.end() + _LINE_CHARACTERS])
        following = next((line for _, line in lines if line.strip()), " ")
        if following.rstrip() != below[0] or following[-1] not in "\r\n":
            continue
        seam = seam or Seam(draft.text, draft.context)
        if not seam.misplaced(match.start()):
            return draft.leave(draft.text[: match.start()], ended=True)
    return draft.leave(draft.text)


def cut_suffix_overlap(draft: Draft) -> Left:
    """Cut the completion where it goes on most like the text after the cursor.

    ``f(|)`` takes ``g()`` as it is, since the brackets fit then, and ``f((|)`` takes ``x, y)``.
    Where the model ended by itself, only its end is looked at.
    """
    text, context = draft.text, draft.context
    rest = rest_of_line(context).rstrip()
    if not rest.strip() or (is_at_start_of_text(context) and last_line(text) != rest):
        return draft.leave(text)
    after = context.suffix[:_AFTER_CHARACTERS]
    shared = ((count, -place) for place, count in enumerate(_shared_lengths(text, after)) if count)
    seam = Seam(text, context)
    worst = seam.misplaced(len(text))
    whole = draft.ended and seam.is_balanced(len(text))
    best: tuple[float, int] | None = None
    for count, minus in nlargest(_MOST_PLACES, shared):
        place = -minus
        ends = place + count == len(text)
        if (draft.ended and not ends) or seam.misplaced(place) > worst:
            continue
        if whole and not seam.is_balanced(place):
            continue
        said = len(after[:count].strip())
        if ends and (count == len(rest) or (said == 1 and _closes_quote(text, context.prefix))):
            likeness = 1.0
        elif ends and said < 2:
            continue
        else:
            likeness = _likeness(text[place:], rest, after)
        least = _LIKE if ends or said >= _LEAST_SHARED else _LIKE_WITHOUT_SHARED
        if likeness >= least:
            best = max(best or (0.0, 0), (likeness, -place))
    if best:
        return draft.leave(text[: -best[1]])
    if worst:
        return draft.leave(_cut_at_closer(text, rest, seam))
    return draft.leave(_without_last_closers(draft, rest, seam))


def _without_last_closers(draft: Draft, rest: str, seam: Seam) -> str:
    """Without closers at the end that stand behind the cursor too, if all brackets fit only then.

    ``this.|);`` takes ``run(``, where ``run()`` would do by itself.
    """
    text, closers = draft.text, _CLOSERS.match(rest)
    # Where the line itself opens something, what stands behind the cursor closes that.
    if not closers or any(unclosed for _, unclosed in unmatched(typed_on_line(draft.context))):
        return text
    for count in range(len(closers[0]), 0, -1):
        if text.endswith(rest[:count]) and seam.is_balanced(len(text) - count):
            return text[:-count]
    return text


def _cut_at_closer(text: str, rest: str, seam: Seam) -> str:
    """Cut where the text writes the closers that stand behind the cursor, if brackets fit then."""
    closers = _CLOSERS.match(rest)
    for match in re.finditer(re.escape(closers[0]), text) if closers else ():
        if not seam.misplaced(match.start()):
            return text[: match.start()]
    return text


def _closes_quote(text: str, prefix: str) -> bool:
    """Whether a text ends with the quote that ends the string which the cursor is in."""
    line = last_line(prefix[-_LINE_CHARACTERS:] + text)
    return text[-1] in _QUOTES and line.count(text[-1]) % 2 == 0


def _likeness(written: str, rest: str, after: str) -> float:
    compared = written[:_WINDOW_CHARACTERS]
    return Indel.normalized_similarity(compared, after[: max(len(compared), len(rest))])


def _shared_lengths(text: str, after: str) -> list[int]:
    """How much the text from each place on has in common with the start of ``after``.

    The Z-algorithm, in linear time (Gusfield, Algorithms on Strings, 1.4).
    """
    joined = f"{after}\0{text}"
    lengths = [0] * len(joined)
    left = right = 0
    for index in range(1, len(joined)):
        length = min(right - index, lengths[index - left]) if index < right else 0
        while index + length < len(joined) and joined[length] == joined[index + length]:
            length += 1
        if index + length > right:
            left, right = index, index + length
        lengths[index] = length
    return [min(length, len(after)) for length in lengths[len(after) + 1 :]]


def cut_repetition(draft: Draft) -> Left:
    """Keep one of a group of lines that follows itself twice, as a model in a loop writes them.

    The group of up to eight lines must say something; blank lines don't count. Nothing written
    later changes that, so that a generation may be stopped there.
    """
    lines = [(start, line) for start, line in split_lines(draft.text) if line.strip()]
    codes = [line.strip() for _, line in lines]
    for last in range(_TIMES, len(codes) + 1):
        for size in range(1, min(_MOST_LINES, last // _TIMES) + 1):
            group = codes[last - size : last]
            first = last - _TIMES * size
            if codes[first:last] == group * _TIMES and is_distinct("".join(group)):
                return draft.leave(draft.text[: lines[first + size][0]].rstrip("\r\n"))
    return draft.leave(draft.text)


def drop_lines_above(draft: Draft) -> Left:
    """Drop a completion that only repeats the lines right above the cursor."""
    above = LINE_END.split(draft.context.prefix[-NEAR_CHARACTERS:])[:-1]
    typed = typed_on_line(draft.context)
    lines = [line.rstrip() for line in LINE_END.split(typed + draft.text.rstrip())]
    repeated = above[-len(lines) :] == lines and is_distinct("".join(lines))
    return draft.leave("" if repeated and not typed.strip() else draft.text)
