"""How long a person takes for each key, and where a finger slips. Times are milliseconds.

Intervals between keys are log-normal, with a median near 120 ms inside words, and longer where
people stop to look or think (Dhakal et al. 2018, 136 million keystrokes: mean 239 ms, 1-2 % of keys
corrected at once). Code has more such places than prose.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

_SIGMA = 0.35
_IN_WORD_MS = 120.0
_SYMBOL_MS = 170.0
_WORD_START_MS = 210.0
_CALL_MS = 260.0
_LINE_END_MS = 280.0
_LINE_START_MS = 420.0
_BURST_FACTOR = 0.65
_BURST_CHANCE = 0.04
_BURST_KEYS = (6, 20)
_THINKING_MS = (1000.0, 2000.0)
_THINKING_CHANCE = {"line": 0.25, "word": 0.02}
_SLIP_CHANCE = 0.015
_SLIP_MS = 230.0
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


@dataclass(frozen=True, slots=True)
class Key:
    """One character of a body."""

    pause_ms: float
    """The time before it."""
    slip: str = ""
    """Wrong characters that are typed first and deleted; mostly none."""
    correction_ms: tuple[float, ...] = ()
    """The pause before each of the ``2 * len(slip)`` keys that this takes."""

    @property
    def total_ms(self) -> float:
        """All the time that this character takes."""
        return self.pause_ms + sum(self.correction_ms)


def rhythm(body: str, chance: random.Random) -> tuple[Key, ...]:
    """Return a key for each character of a body."""
    keys: list[Key] = []
    burst = 0
    for index in range(len(body)):
        place, median_ms = _place(body, index)
        if burst:
            burst -= 1
        elif chance.random() < _BURST_CHANCE:
            burst = chance.randint(*_BURST_KEYS)
        pause_ms = _around(median_ms * (_BURST_FACTOR if burst else 1.0), chance)
        if chance.random() < _THINKING_CHANCE.get(place, 0.0):
            pause_ms += chance.uniform(*_THINKING_MS)
        slip = _slip(body, index, chance) if chance.random() < _SLIP_CHANCE else ""
        corrections = [_around(_SLIP_MS, chance) for _ in range(2 * len(slip))]
        keys.append(Key(round(pause_ms, 1), slip, tuple(round(value, 1) for value in corrections)))
    return tuple(keys)


def _place(body: str, index: int) -> tuple[str, float]:
    """Return what kind of place a character is at, and its median pause."""
    before = body[index - 1] if index else "\n"
    character = body[index]
    if character == "\n":
        return "line end", _LINE_END_MS
    if not body[body.rfind("\n", 0, index) + 1 : index].strip():
        return "line", _LINE_START_MS
    if character == "(":
        return "call", _CALL_MS
    if not (character.isalnum() or character == "_"):
        return "symbol", _SYMBOL_MS
    if not (before.isalnum() or before == "_"):
        return "word", _WORD_START_MS
    return "in word", _IN_WORD_MS


def _slip(body: str, index: int, chance: random.Random) -> str:
    """Return the letter of a key beside the right one, sometimes with the following letter."""
    row = next((row for row in _ROWS if body[index] in row), "")
    if not row:
        return ""
    place = row.index(body[index])
    wrong = chance.choice([row[at] for at in (place - 1, place + 1) if 0 <= at < len(row)])
    following = body[index + 1 : index + 2]
    return wrong + following if following.isalpha() and chance.random() < 0.4 else wrong


def _around(median_ms: float, chance: random.Random) -> float:
    return chance.lognormvariate(math.log(median_ms), _SIGMA)
