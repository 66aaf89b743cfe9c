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

# Says enough to be told from other lines, and yet many blocks end with it.
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

    That is a line which equals the next line below, with its indentation, and either says too much
    to be there twice, or closes what the completion didn't open, or is followed by the second line
    below. It is no repetition if the code below would not fit without it. Nothing written later
    changes that, so that a generation may be stopped there.
    """
    text, below = draft.text, lines_below(draft.context)
    typed = typed_on_line(draft.context)
    lines = [(start, line) for start, line in split_lines(text) if line.strip()]
    seam: Seam | None = None
    for index, (start, line) in enumerate(lines) if below else ():
        if start == 0:
            if typed.strip():
                continue
            line = typed + line  # noqa: PLW2901 - the cursor's line, as it will be
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

    No similarity will do instead: ``elif x > 3:`` is not ``elif x > 2:``.
    """
    if indent_columns(line) != indent_columns(other):
        return False
    ours, theirs = ("".join(code.split()).replace("'", '"') for code in (line, other))
    return ours == theirs


def cut_where_line_goes_on(draft: Draft) -> Left:
    """Cut before the first copy of the rest of the cursor's line and of the line below.

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
    """Cut where the rest of the completion is most like the text after the cursor.

    ``g()`` at ``f(|)`` stays, since its brackets fit; so does ``x, y)`` at ``f((|)``. Where the
    model ended by itself, only the completion's end may be cut.
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
    """Without closers at the end that follow the cursor too, if all brackets fit only then.

    Of ``run()`` at ``this.|);`` ``run(`` is left.
    """
    text, closers = draft.text, _CLOSERS.match(rest)
    # Where the line itself opens something, the closers after the cursor close that.
    if not closers or any(unclosed for _, unclosed in unmatched(typed_on_line(draft.context))):
        return text
    for count in range(len(closers[0]), 0, -1):
        if text.endswith(rest[:count]) and seam.is_balanced(len(text) - count):
            return text[:-count]
    return text


def _cut_at_closer(text: str, rest: str, seam: Seam) -> str:
    """Cut where the text has the closers that follow the cursor, if the brackets then fit."""
    closers = _CLOSERS.match(rest)
    for match in re.finditer(re.escape(closers[0]), text) if closers else ():
        if not seam.misplaced(match.start()):
            return text[: match.start()]
    return text


def _closes_quote(text: str, prefix: str) -> bool:
    """Whether a text ends with the quote that closes the cursor's string."""
    line = last_line(prefix[-_LINE_CHARACTERS:] + text)
    return text[-1] in _QUOTES and line.count(text[-1]) % 2 == 0


def _likeness(written: str, rest: str, after: str) -> float:
    compared = written[:_WINDOW_CHARACTERS]
    return Indel.normalized_similarity(compared, after[: max(len(compared), len(rest))])


def _shared_lengths(text: str, after: str) -> list[int]:
    """For each place in the text, how many of the characters from there on ``after`` begins with.

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
    """Keep one of three equal groups of lines in a row, as a model in a loop writes them.

    A group has up to eight lines and must say something; blank lines don't count. Nothing written
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
