"""Whether accepted text stayed: acceptance alone rewards what is deleted again.

Measured as the share of the text still found near its place, by edit distance, as in "Productivity
Assessment of Neural Code Completion" (Ziegler et al. 2022): unchanged at 30 s, 2 and 10 minutes.
"""

from __future__ import annotations

from rapidfuzz import fuzz

CHECKS_S = (30.0, 120.0, 600.0)
"""When accepted text is looked for, in seconds after it was accepted."""

_AROUND_CHARACTERS = 4_000


def kept_share(text: str, document: str, offset: int) -> float:
    """How much of ``text`` a document still has near ``offset``: 0 to 1, 1 for all of it.

    Edits above move it, so it is looked for a few thousand characters around.
    """
    wanted = text.strip()
    if not wanted:
        return 1.0
    near = document[max(0, offset - _AROUND_CHARACTERS) : offset + _AROUND_CHARACTERS + len(text)]
    if wanted in near:
        return 1.0
    compare = fuzz.partial_ratio if len(near) > len(wanted) else fuzz.ratio
    return compare(wanted, near) / 100
