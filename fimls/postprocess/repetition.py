"""Steps that end a completion where it repeats itself or the lines above the cursor."""

from __future__ import annotations

from fimls.postprocess.draft import NEAR_CHARACTERS, Draft, typed_on_line
from fimls.postprocess.lines import LINE_END, is_distinct, split_lines

_TIMES = 3
_MOST_LINES = 8


def cut_repetition(draft: Draft) -> str:
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
                return draft.text[: lines[first + size][0]].rstrip("\r\n")
    return draft.text


def drop_lines_above(draft: Draft) -> str:
    """Drop a completion that only repeats the lines right above the cursor."""
    above = LINE_END.split(draft.context.prefix[-NEAR_CHARACTERS:])[:-1]
    typed = typed_on_line(draft.context)
    lines = [line.rstrip() for line in LINE_END.split(typed + draft.text.rstrip())]
    repeated = above[-len(lines) :] == lines and is_distinct("".join(lines))
    return "" if repeated and not typed.strip() else draft.text
