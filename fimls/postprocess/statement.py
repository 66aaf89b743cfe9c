"""How much a single-line completion is: the line, or what makes the line worth having.

On an empty line, where the completion begins a statement, one line may be of no use by itself: a
comment that announces code, a header whose block isn't below either, an assignment at the end of a
function that nothing reads. Then the completion goes on to the first line that can be its last.
"""

from __future__ import annotations

import re
from itertools import islice

from fimls.postprocess.blocks import cut_at_block_end, has_left_block
from fimls.postprocess.draft import (
    LINE_END,
    Draft,
    Left,
    is_at_start_of_text,
    rest_of_line,
    split_lines,
    typed_on_line,
)
from fimls.postprocess.seam import JUMP, CodeLine, Seam

_MOST_LINES = 32
_LAST_LINES = 3
_VALUE = re.compile(r"return\s+(?!None\b)[^\s;]")
_ASSIGNMENT = re.compile(r"(?:(?:const|let|var|auto)\s+)?(\w+)\s*(?::[^=]*)?=(?!=)")
_FIELDS = re.compile(r"\b(?:class|enum|struct|interface|object|trait|record|union)\b")


def first_statement(draft: Draft) -> Left:
    """Keep the cursor's line, or more lines where it is of no use by itself."""
    line = LINE_END.split(draft.text, maxsplit=1)[0]
    if not _may_go_on(line, draft):
        return draft.leave(line)
    block, _ = cut_at_block_end(draft)
    end = _first_end(block, draft, ended=draft.ended or block != draft.text)
    return draft.leave(line if end is None else draft.text[:end])


def is_first_statement_whole(draft: Draft) -> bool:
    """Whether nothing written later changes what :func:`first_statement` keeps.

    It is asked at each token, and looks only at the last lines: the others were looked at before.
    """
    parts = LINE_END.split(draft.text, maxsplit=1)
    if len(parts) == 1 or not _may_go_on(parts[0], draft):
        return len(parts) > 1
    if has_left_block(draft):
        return True
    block, _ = cut_at_block_end(draft)
    return _first_end(block, draft, ended=False, last=_LAST_LINES) is not None


def _may_go_on(line: str, draft: Draft) -> bool:
    context = draft.context
    on_empty_line = is_at_start_of_text(context) or not rest_of_line(context).strip()
    return bool(line.strip()) and on_empty_line and not typed_on_line(context).strip()


def _first_end(block: str, draft: Draft, *, ended: bool, last: int = _MOST_LINES) -> int | None:
    """Where the first statement ends that is of use by itself; None if it isn't written yet.

    ended: the last line is whole although no line break follows. last: how many lines to look at.
    """
    seam = Seam(block, draft.context)
    lines = list(islice(split_lines(block), _MOST_LINES))
    for start, line in lines[-last:]:
        end = start + len(line.rstrip())
        if end == start or (line[-1] not in "\r\n" and not ended):
            continue
        is_code = bool(LINE_END.split(seam.written(start), maxsplit=1)[0].strip())
        if is_code and seam.fits(end) and not _leaves_undone(seam, end):
            return end
    return None


def _leaves_undone(seam: Seam, end: int) -> bool:
    """Whether the text up to ``end``, at the end of its block, leaves a function half done."""
    lines = seam.lines_until(end)
    written = [line for line in lines if seam.is_written(line)]
    following = seam.around.following
    if not written or not seam.around.known:
        return False
    first = written[0]
    if following is not None and following.indent >= first.indent:
        return False
    last = next(line for line in reversed(written) if line.depth <= first.depth)
    falls_through = last.indent > first.indent or not JUMP.match(last.code)
    returns = any(_VALUE.match(line.code) for line in written)
    return (falls_through and returns) or _is_unread(last, lines, seam)


def _is_unread(last: CodeLine, lines: list[CodeLine], seam: Seam) -> bool:
    """Whether a line gives a value to a name that occurs nowhere else in the unit."""
    assigned = _ASSIGNMENT.match(last.code)
    if assigned is None or last.indent == 0:
        return False
    header = next((line for line in reversed(lines) if line.indent < last.indent), None)
    if header is not None and _FIELDS.search(header.code):
        return False
    return not seam.is_named_elsewhere(assigned[1], last)
