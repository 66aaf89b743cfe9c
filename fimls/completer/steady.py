"""A suffix that stays the same while brackets are opened and closed in front of it.

With the suffix first, a bracket that an editor inserts behind the cursor changes the prompt from
its beginning. Inside a call that spans lines it stays there for many keystrokes. So a document's
prompt keeps the suffix that it had, as long as the new one differs by closers and blank space at
its start only (as Copilot keeps a suffix that has hardly changed).
"""

from __future__ import annotations

import re

_START = re.compile(r"[\s)\]}>\"'`,;]*")
_START_CHARS_MAX = 200
_COMPARED_CHARS = 600
_DOCUMENTS_MAX = 64


class SteadySuffixes:
    """The suffix that each document's last prompt showed."""

    def __init__(self) -> None:
        self._shown: dict[str, str] = {}

    def steady(self, uri: str, suffix: str) -> str:
        """The suffix to show: the last one where that says the same."""
        shown = self._shown.pop(uri, None)
        if shown is None or essence(shown) != essence(suffix):
            shown = suffix
        self._shown[uri] = shown  # at the end: used last
        while len(self._shown) > _DOCUMENTS_MAX:
            del self._shown[next(iter(self._shown))]
        return shown

    def forget(self, uri: str) -> None:
        """A document was closed."""
        self._shown.pop(uri, None)


def essence(suffix: str) -> str:
    """What a suffix begins with behind closers and blank space, if these are short."""
    start = _START.match(suffix)
    length = start.end() if start else 0
    length = length if length <= _START_CHARS_MAX else 0
    return suffix[length : length + _COMPARED_CHARS]
