"""The step that indents a completion as its file is indented."""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import pairwise

from fimls.postprocess.draft import NEAR_CHARACTERS, Draft, typed_on_line
from fimls.postprocess.lines import LINE_END, indentation, split_lines

_USUAL_UNIT = 4


def match_indentation(draft: Draft) -> str:
    """Write the completion's indentation with the file's characters: tabs, or spaces.

    Only where the lines above the cursor use one of them alone, and only lines that begin inside
    the completion; a tab stands for as many spaces as a level has.
    """
    at_line_start = not typed_on_line(draft.context)
    written = [
        indentation(line) for start, line in split_lines(draft.text) if start or at_line_start
    ]
    if not any(written):
        return draft.text
    near = draft.context.prefix[-NEAR_CHARACTERS:]
    above = [indentation(line) for line in LINE_END.split(near)]
    tabs = any(indent.startswith("\t") for indent in above)
    spaces = any(indent.startswith(" ") for indent in above)
    foreign = [indent for indent in written if indent.startswith(" " if tabs else "\t")]
    if tabs == spaces or not foreign:
        return draft.text
    unit = _unit(foreign) if tabs else _step(above)

    def reindented(match: re.Match[str]) -> str:
        if match.start() == 0 and not at_line_start:
            return match[0]
        columns = len(match[0].expandtabs(unit))
        return "\t" * (columns // unit) + " " * (columns % unit) if tabs else " " * columns

    return re.sub(r"(?:\A|(?<=[\r\n]))[ \t]+", reindented, draft.text)


def _unit(indents: list[str]) -> int:
    """How many of the spaces make a level: two where all have a multiple of two, not of four."""
    width = math.gcd(*map(len, indents))
    return 2 if width % 2 == 0 and width % _USUAL_UNIT else _USUAL_UNIT


def _step(indents: list[str]) -> int:
    """How many spaces a level has: the most frequent step from one line to a deeper one."""
    steps = Counter(len(b) - len(a) for a, b in pairwise(indents) if len(b) > len(a))
    return steps.most_common(1)[0][0] if steps else _USUAL_UNIT
