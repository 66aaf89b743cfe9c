"""A look: what the server was asked after a keystroke, what came, and what it was worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fimls.text import Encoding, LineIndex, Position

ENCODING: Encoding = "utf-16"

FEWEST_SAVED = 3
"""A suggestion is taken as a whole from here on: one key for it, two saved at least."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Text that was offered behind the cursor. replaced: characters there that it takes away.

    command: what an editor runs when it is taken as a whole (LSP's ``Command``).
    """

    text: str
    replaced: int = 0
    command: Mapping[str, Any] | None = None


@dataclass(slots=True)
class Look:
    """One request.

    before: the text between the body's start and the cursor. typed: how much of the body that is.
    on_track: whether it was that and nothing else.
    outcome: "open", "answered", "superseded" (the next key came first), "failed" or "late" (no
    answer in time). suggestions: shown, best first. explanation: the server's own account, if any.
    """

    request_id: int
    uri: str
    version: int
    offset: int
    before: str
    typed: int
    on_track: bool
    outcome: str = "open"
    latency_ms: float | None = None
    suggestions: tuple[Suggestion, ...] = ()
    explanation: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, int, int]:
        """What an explanation names a request by."""
        return self.uri, self.version, self.offset

    @property
    def answered_by(self) -> str:
        """See the server's explanations; "unknown" where it gives none."""
        return str(self.explanation.get("answered_by", "unknown"))


def suggestions_of(result: Any, text: str, offset: int) -> tuple[Suggestion, ...]:
    """Read an answer's items as an editor shows them at an offset of a text.

    An item that would change what stands before the cursor, or whose range lies elsewhere, is not
    shown.
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
    """Return how much of a text a person takes whose next characters are ``rest``.

    right: how many first characters of both agree. All of the text if they are all of it, else its
    first lines that agree; 0 where that saves less than :data:`FEWEST_SAVED` characters.
    """
    if right < len(text):
        ends = (
            index
            for index, character in enumerate(text[: right + 1])
            if character == "\n" and rest[index : index + 1] in {"\n", ""}
        )
        right = max(ends, default=0)
    return right if right >= FEWEST_SAVED else 0
