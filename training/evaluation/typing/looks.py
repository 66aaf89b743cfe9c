"""A look: a request after a keystroke, the suggestions that came, and how much is taken of one."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fimls.text import Encoding, LineIndex, Position

ENCODING: Encoding = "utf-16"

FEWEST_SAVED = 3
"""Fewer right characters aren't taken: it costs a key, and should save two at least."""


class Outcome(str, enum.Enum):
    """What came of a request."""

    OPEN = "open"
    ANSWERED = "answered"
    SUPERSEDED = "superseded"
    """The next key came first."""
    FAILED = "failed"
    LATE = "late"
    """There was no answer in time."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Text that was offered after the cursor."""

    text: str
    replaced: int = 0
    """How many characters after the cursor it replaces."""
    command: Mapping[str, Any] | None = None
    """What an editor runs when all of it is taken (LSP's ``Command``)."""


@dataclass(slots=True)
class Look:
    """One request."""

    request_id: int
    uri: str
    version: int
    offset: int
    before: str
    """The text from the body's start to the cursor."""
    typed: int
    """How many characters of the body that is."""
    on_track: bool
    """Whether that text is right: nothing but the beginning of the body."""
    outcome: Outcome = Outcome.OPEN
    latency_ms: float | None = None
    """From the edit to the answer."""
    suggestions: tuple[Suggestion, ...] = ()
    """What was shown, the best first."""
    explanation: Mapping[str, Any] = field(default_factory=dict)
    """The server's own account, if it gives one."""

    @property
    def key(self) -> tuple[str, int, int]:
        """How an explanation names the request: document, version and offset."""
        return self.uri, self.version, self.offset

    @property
    def answered_by(self) -> str:
        """See the server's explanations; "unknown" where it gives none."""
        return str(self.explanation.get("answered_by", "unknown"))


def suggestions_of(result: Any, text: str, offset: int) -> tuple[Suggestion, ...]:
    """Read an answer's items as an editor shows them at an offset of a text.

    An item that would change the text before the cursor, or whose range doesn't include the cursor,
    is not shown.
    """
    items = result.get("items") if isinstance(result, dict) else result
    if not isinstance(items, list):
        return ()
    lines = LineIndex(text)
    shown = (_suggestion(item, text, offset, lines) for item in items)
    return tuple(one for one in shown if one is not None and one.text)


def _suggestion(item: Any, text: str, offset: int, lines: LineIndex) -> Suggestion | None:
    inserted = item.get("insertText")
    inserted = inserted.get("value") if isinstance(inserted, dict) else inserted
    if not isinstance(inserted, str):
        return None
    start = end = offset
    if span := item.get("range"):
        start, end = (
            lines.offset(Position(span[edge]["line"], span[edge]["character"]), ENCODING)
            for edge in ("start", "end")
        )
    before = text[start:offset]
    if not start <= offset <= end or not inserted.startswith(before):
        return None
    return Suggestion(inserted[len(before) :], end - offset, item.get("command"))


def taken_length(text: str, rest: str, right: int) -> int:
    """Return how much of a text a person takes on the way to typing ``rest``, in characters.

    right: how many first characters of both agree. All of the text is taken if all of it is right,
    else the first lines that are; nothing if that saves less than :data:`FEWEST_SAVED` characters.
    """
    if right < len(text):
        ends = (
            index
            for index, character in enumerate(text[: right + 1])
            if character == "\n" and rest[index : index + 1] in {"\n", ""}
        )
        right = max(ends, default=0)
    return right if right >= FEWEST_SAVED else 0
