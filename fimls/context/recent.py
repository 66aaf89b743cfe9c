"""What was edited or opened in other documents lately."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from fimls.context.query import Region

_DOCUMENTS_MAX = 12
_REGIONS_MAX = 8  # of one document
_OPENED_LINES_MAX = 1000
_DIFFED_LINES_MAX = 1500
_MERGED_LINES = 4  # edits this near each other are one


@dataclass(frozen=True, slots=True)
class Visit:
    """An open document. opened: its text when it was opened; text: what it is now."""

    path: str
    opened: str
    text: str


class Visits:
    """The open documents of a folder, the one used last at the end. Not thread-safe."""

    def __init__(self) -> None:
        self._visits: dict[str, Visit] = {}

    def opened(self, path: str, text: str) -> None:
        """Note that a document was opened."""
        self._visits.pop(path, None)
        self._visits[path] = Visit(path, text, text)

    def changed(self, path: str, text: str) -> None:
        """Note that a document was edited. Costs nothing: what changed is found when needed."""
        before = self._visits.pop(path, None)
        self._visits[path] = Visit(path, before.opened if before else text, text)

    def closed(self, path: str) -> None:
        """Forget a document."""
        self._visits.pop(path, None)

    def latest(self, but: str) -> tuple[Visit, ...]:
        """Return the other documents, the one used last first."""
        others = [visit for visit in reversed(self._visits.values()) if visit.path != but]
        return tuple(others[:_DOCUMENTS_MAX])


def regions(visits: Sequence[Visit]) -> tuple[Region, ...]:
    """What was touched, the latest first: edits of all documents, then the documents themselves."""
    edited = [region for visit in visits for region in _edits(visit)]
    opened = [
        Region(visit.path, 0, min(visit.text.count("\n") + 1, _OPENED_LINES_MAX))
        for visit in visits
    ]
    return (*edited, *opened)


def _edits(visit: Visit) -> list[Region]:
    """Which lines of a document's text differ from when it was opened."""
    if visit.text == visit.opened:
        return []
    before, after = visit.opened.split("\n"), visit.text.split("\n")
    head = _common(before, after)
    tail = _common(before[head:][::-1], after[head:][::-1])
    old, new = before[head : len(before) - tail], after[head : len(after) - tail]
    if len(old) + len(new) > _DIFFED_LINES_MAX:  # difflib takes quadratic time
        spans = [(head, head + len(new))]
    else:
        matcher = difflib.SequenceMatcher(None, old, new)
        spans = [
            (head + start, head + end)
            for tag, _, _, start, end in matcher.get_opcodes()
            if tag in {"insert", "replace"}
        ]
    found: list[Region] = []
    for start, end in spans:
        if found and start - found[-1].end_line <= _MERGED_LINES:
            found[-1] = Region(visit.path, found[-1].start_line, end)
        else:
            found.append(Region(visit.path, start, end))
    return found[-_REGIONS_MAX:]


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many lines two texts have in common at their start."""
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
