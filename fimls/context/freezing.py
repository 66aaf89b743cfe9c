"""When a document's snippets may change.

Snippets stand in front of all else in a prompt, so that one changed byte makes the engine compute
the whole prompt again. Hence a document keeps its selection while somebody types in one place, and
gets another only when that costs little or says much more.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from fimls.context.query import Selection

IDLE_S = 3.0
_MOVED_LINES = 20
# "Clearly better": by a quarter, and by more than the weakest snippet is worth
_BETTER_RATIO, _BETTER_BY = 1.25, 0.35


@dataclass(frozen=True, slots=True)
class Place:
    """Where the cursor is. before, after: lines; typing changes one of them only.

    definition: the innermost definition around it, "" for none.
    """

    before: int
    after: int
    definition: str = ""

    def far_from(self, other: Place) -> bool:
        """Whether the cursor moved by more than the lines that were typed in between."""
        moved = min(abs(self.before - other.before), abs(self.after - other.after))
        return moved > _MOVED_LINES


@dataclass(frozen=True, slots=True)
class Choice:
    """A selection, and what it was chosen from.

    used: its pieces, each (path, text). worth: the score of every piece that could be used.
    """

    selection: Selection
    place: Place
    used: frozenset[tuple[str, str]]
    worth: Mapping[tuple[str, str], float]

    def value(self, pieces: frozenset[tuple[str, str]]) -> float:
        """What some pieces are worth at this choice's place and time."""
        return sum(self.worth.get(piece, 0.0) for piece in pieces)


@dataclass(slots=True)
class Frozen:
    """One document's selection, and whether it is time to look for another."""

    choice: Choice
    budget_tokens: int
    touched: set[str] = field(default_factory=set)
    idled: bool = False
    _active_at: float = field(init=False)

    def __post_init__(self) -> None:
        self._active_at = time.monotonic()

    def active(self) -> None:
        """Somebody types in the document, or asks for a completion."""
        now = time.monotonic()
        self.idled = self.idled or now - self._active_at >= IDLE_S
        self._active_at = now

    def holds(self, place: Place, budget_tokens: int) -> bool:
        """Whether the selection stands for a request, without looking at anything else."""
        return (
            budget_tokens == self.budget_tokens
            and not self.idled
            and not self.touched
            and not place.far_from(self.choice.place)
        )

    def offer(self, choice: Choice, budget_tokens: int) -> None:
        """Take another choice where it's due; else keep the selection, for the new place."""
        touched, self.touched, self.idled = self.touched, set(), False
        if budget_tokens != self.budget_tokens or self._is_due(choice, touched):
            self.choice, self.budget_tokens = choice, budget_tokens
        else:
            self.choice = replace(self.choice, place=choice.place)

    def _is_due(self, choice: Choice, touched: set[str]) -> bool:
        old = self.choice
        left = choice.place.definition != old.place.definition
        if (left or not choice.place.definition) and choice.place.far_from(old.place):
            return True
        if any(path in touched and (path, text) not in choice.worth for path, text in old.used):
            return True  # it shows what isn't there any more
        best, now = choice.value(choice.used), choice.value(old.used)
        return best > max(now * _BETTER_RATIO, now + _BETTER_BY)
