"""A file's functions, found by indentation alone.

A parser would know them better, but reads 5 MB/s, slower than all else that is done to a file
before spans are drawn. To compare functions it is enough to find the same ones in both files.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from itertools import accumulate

_MIN_LINES = 5
_CONTAINER = re.compile(
    rb"(?:(?:export|default|pub(?:\([a-z]+\))?|public|private|protected|abstract|final|static|sealed"
    rb"|declare|unsafe|template\s*<.*>)\s+)*"
    rb"(?:class|struct|interface|impl|namespace|trait|enum|mod|module|extern|union)\b"
)
_COMMENTS = (b"#", b"/", b"*")


@dataclass(frozen=True, slots=True)
class Block:
    """``data[start:end]``: a header line and all lines below it that are indented deeper."""

    start: int
    end: int


def find_blocks(data: bytes) -> list[Block]:
    """Return the outermost indented blocks of five lines and more, without those of classes.

    Blocks don't overlap: what is nested belongs to the outermost. A class, a namespace or a trait
    is looked into. Comment and empty lines neither begin nor end a block.
    """
    lines = data.split(b"\n")
    codes = list(map(bytes.lstrip, lines))
    lengths = list(map(len, lines))
    # A tab counts as one: within a file it is the order of depths that matters.
    depths = list(map(operator.sub, lengths, map(len, codes)))
    spans: list[tuple[int, int]] = []  # first and last lines
    header, depth, last = 0, -1, 0  # the open block, and how deep its header stands
    for number, indent in enumerate(depths):
        if indent > depth >= 0:
            last = number
        elif (code := codes[number]) and not code.startswith(_COMMENTS):
            spans.append((header, last))
            header, last = number, number
            depth = -1 if _CONTAINER.match(code) else indent
    spans.append((header, last))
    ends = list(accumulate(lengths))  # line ends not counted: there is one a line
    return [
        Block(ends[first] - lengths[first] + first, ends[last] + last)
        for first, last in spans
        if last - first + 1 >= _MIN_LINES
    ]
