"""Which parts of a file become middles: text that a person could have typed at a cursor.

``draw`` decides how often each kind is drawn, and where exactly a middle begins; ``syntax`` finds
nodes, ``lines`` places by lines and characters, ``edits`` the lines that people really added, from
git.
"""

from training.spans.draw import CHARS_MAX, DEFAULT_MIX, LONG_CHARS_MAX, draw_spans, parse_mix
from training.spans.edits import Edit, edits

__all__ = [
    "CHARS_MAX",
    "DEFAULT_MIX",
    "LONG_CHARS_MAX",
    "Edit",
    "draw_spans",
    "edits",
    "parse_mix",
]
