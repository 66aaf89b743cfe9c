"""Which parts of a file become middles: what a cursor could have stood in front of.

``mix`` says how often each kind; ``syntax`` finds nodes, ``lines`` places by lines and characters,
``margins`` where exactly a middle begins; ``draw`` brings them together. ``edits`` reads from git
where people really put new lines.
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
