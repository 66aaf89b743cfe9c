"""Somebody who types fast, and takes, types along or ignores what is suggested."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

ANSWER = "self.width * self.height"
"""What the script suggests behind ``return``."""
TAKE = "take"
"""Among the keys: what is suggested by now, if something is."""

_KEYS_A_SECOND = 15
_EDITS = 200
_LOOK_S = 1.0  # for a suggestion that is to be taken
_DRAWN_S = 0.1  # an editor draws after it has taken a key


class Screen(Protocol):
    """An editor in which somebody types."""

    def key(self, character: str) -> None:
        """Type a character."""
        ...

    def take(self) -> None:
        """Take what is suggested."""
        ...

    def ghost(self) -> str:
        """The suggestion on the screen, "" for none."""
        ...


@dataclass
class Typed:
    """What the file has to be now, and what was seen on the way.

    wrong: the text before the cursor and a suggestion that doesn't belong there.
    """

    text: str = ""
    taken: int = 0
    wrong: list[tuple[str, str]] = field(default_factory=list)


def two_hundred_edits(seed: int) -> list[str]:
    """Lines of letters; between them ``return``, left alone, typed along or otherwise, or taken."""
    rng = random.Random(seed)  # noqa: S311 - keys to type
    edits: list[str] = []
    while len(edits) < _EDITS:
        edits += ["x", *rng.choices("abcdefgh ", k=rng.randint(4, 12)), *"\nreturn "]
        along = ANSWER[: rng.randint(1, 8)]
        edits += rng.choice([[], [*"zz"], [*along], [*along, TAKE], [TAKE]])
        edits.append("\n")
    return edits[:_EDITS]


def type_fast(screen: Screen, edits: Sequence[str]) -> Typed:
    """Type at 15 keys a second, and look at the screen after each."""
    typed = Typed()
    for edit in edits:
        next_key = time.monotonic() + 1 / _KEYS_A_SECOND
        if edit != TAKE:
            screen.key(edit)
            typed.text += edit
        elif shown := _look(screen):
            screen.take()
            typed.text += shown
            typed.taken += 1
        ghost = _drawn(screen, typed.text)
        if ghost not in _right(typed.text):
            typed.wrong.append((typed.text[-30:], ghost))
        time.sleep(max(0.0, next_key - time.monotonic()))
    return typed


def _look(screen: Screen) -> str:
    until = time.monotonic() + _LOOK_S
    while not (shown := screen.ghost()) and time.monotonic() < until:
        time.sleep(0.02)
    return shown


def _drawn(screen: Screen, text: str) -> str:
    """The suggestion, once the editor has had the time to draw."""
    until = time.monotonic() + _DRAWN_S
    while (ghost := screen.ghost()) not in _right(text) and time.monotonic() < until:
        time.sleep(0.01)
    return ghost


def _right(text: str) -> tuple[str, ...]:
    """What may be suggested behind a text: the rest of the answer, where it has been begun."""
    _, returns, begun = text.rpartition("return ")
    return ("", ANSWER[len(begun) :]) if returns and ANSWER.startswith(begun) else ("",)
