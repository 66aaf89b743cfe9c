"""Which lines of a text may hold a secret: a sieve for detect-secrets, which reads 2.5 MB/s.

What it could find has a long run of mixed characters, a quoted run of hexadecimal digits, the name
of a secret before a value, or one of a few marks. Few lines have; one expression of all this would
read 2 MB/s.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from training.corpus.places import one_byte_each, places

_RUN_CHARS = 20  # an AWS key's; the shorter formats have marks of their own
_IN_RUN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_-")
_RUNS = bytes(1 if code in _IN_RUN else 32 for code in range(256))
_RUN = b"\1" * _RUN_CHARS
_LONGEST_WORD = 15
_DIGITS = b"0123456789"
_QUOTED = re.compile(r"[\"'](?:[0-9a-fA-F]{9,}|[A-Za-z+/=_-]{23,})[\"']")
# What detect-secrets' keyword plugin calls a secret: a literal to search for, and what has to stand
# in front of it and behind it. The other plugins that want a name want a long value too.
_NAMES = (
    ("password", ""),
    ("passwd", ""),
    ("pass", "db|database|key"),
    ("pwd", ""),
    ("secret", ""),
    ("contrase", ""),
    ("key", "api|auth|service|account|db|database|priv|private|client"),
)
_FRONTS = {name: re.compile(rf"(?:{fronts})_?$") for name, fronts in _NAMES if fronts}
_FRONT_CHARS = 10
# e.g. ``word"] = "``, ``: '``, ``_of(user) == "``: a value is worth a look if it is a literal.
_VALUE = re.compile(r"[^\n]{0,60}?[=:(!,][ \t]*[@brfuBRFU]{0,2}[\"'`][^\"'`\n]{3}")
_VALUE_BEFORE = re.compile(r"[\"'`][ \t]*[!=]==?[ \t]*\w*$")
_MARKS = ("Private-Lines:", "AKC", "AP", "xapp-")
_MARKED = re.compile(r"Private-Lines:|A(?:KC|P[\dA-F])[A-Za-z0-9]{8,}|xapp-\d")
_ADDRESS = re.compile(r"://[^\s:/@\"']{1,100}:[^\s/@\"']{1,100}@")


def secret_suspects(text: str) -> Iterator[int]:
    """Yield offsets on the lines that may hold a secret; a line may come twice, in no order.

    Private keys span lines and are not looked for here.
    """
    yield from _mixed_runs(text)
    yield from (match.start() for match in _QUOTED.finditer(text))
    lowered = text.lower()
    if len(lowered) != len(text):  # some capital letters have two small ones
        lowered = text
    for name, fronts in _NAMES:
        for place in places(lowered, name):
            if fronts and not _FRONTS[name].search(lowered, max(0, place - _FRONT_CHARS), place):
                continue
            if _VALUE.match(text, place) or _VALUE_BEFORE.search(text, _back(text, place), place):
                yield place
    for mark in _MARKS:
        yield from (place for place in places(text, mark) if _MARKED.match(text, place))
    yield from (place for place in places(text, "://") if _ADDRESS.match(text, place))


def _mixed_runs(text: str) -> Iterator[int]:
    """Yield where runs of 20 characters and more start that are no words."""
    data = one_byte_each(text)
    runs = data.translate(_RUNS)
    start = runs.find(_RUN)
    while start >= 0:
        end = runs.find(b" ", start)
        end = len(runs) if end < 0 else end
        run = data[start:end]
        if _is_mixed(run):
            yield start
        start = runs.find(_RUN, end)


def _is_mixed(run: bytes) -> bool:
    """Whether a run has digits, or capitals only, and isn't words joined by underscores."""
    if len(run.translate(None, _DIGITS)) == len(run):
        return run.isalpha() and run.isupper()
    return not run.islower() or max(map(len, run.split(b"_"))) >= _LONGEST_WORD


def _back(text: str, place: int) -> int:
    return max(text.rfind("\n", 0, place) + 1, place - 80)
