"""Middles by lines and characters: no grammar needed."""

from __future__ import annotations

import random
import re

from fimls.text import LineIndex

_LINE_START, _BETWEEN_TOKENS = 0.35, 0.35  # of line ends; others begin anywhere in the line
_KEEP_CLOSERS = 0.3
_CLOSERS = re.compile(r"[)\]}\"'`:;,]+$")
_TOKEN = re.compile(r"\w+|[^\w\s]")
_LINES_MAX = 12
_ANOTHER_LINE = 0.7  # that a middle of several lines has one more
_FROM_THE_MIDDLE = 0.25
_CHARACTERS_MAX = 200


class LinePlaces:
    """A file's lines."""

    def __init__(self, text: str) -> None:
        self._text = text
        index = LineIndex(text)
        bounds = (index.line_bounds(line) for line in range(index.line_count))
        self._lines = [
            (start + len(line) - len(line.lstrip()), start + len(line.rstrip()))
            for start, end in bounds
            if (line := text[start:end]).strip()
        ]

    def line_end(self, rng: random.Random) -> tuple[int, int] | None:
        """From a cursor in a line to the line's end.

        Sometimes closing brackets are left to the suffix: an editor has closed them already.
        """
        if not self._lines:
            return None
        start, end = rng.choice(self._lines)
        chance = rng.random()
        line = self._text[start:end]
        if chance < _LINE_START:
            cursor = start
        elif chance < _LINE_START + _BETWEEN_TOKENS:
            cursor = start + rng.choice([match.start() for match in _TOKEN.finditer(line)] or [0])
        else:
            cursor = rng.randrange(start, end)
        closers = _CLOSERS.search(self._text, cursor, end)
        if closers and rng.random() < _KEEP_CLOSERS:
            end = closers.start()
        return (cursor, end) if self._text[cursor:end].strip() else None

    def lines(self, rng: random.Random) -> tuple[int, int] | None:
        """Two to twelve lines, not counting blank ones; sometimes from inside the first."""
        if len(self._lines) < 2:
            return None
        first = rng.randrange(len(self._lines) - 1)
        last = first + 1
        while (
            last + 1 < len(self._lines)
            and last - first < _LINES_MAX - 1
            and rng.random() < _ANOTHER_LINE
        ):
            last += 1
        start, end = self._lines[first]
        if rng.random() < _FROM_THE_MIDDLE:
            start = rng.randrange(start, end)
        return start, self._lines[last][1]

    def characters(self, rng: random.Random) -> tuple[int, int] | None:
        """Any 1 to 200 characters; half are drawn evenly by length, half by its logarithm."""
        if not self._text:
            return None
        length = rng.randint(1, _CHARACTERS_MAX)
        if rng.random() < 0.5:
            length = round(_CHARACTERS_MAX ** rng.random())
        start = rng.randrange(len(self._text))
        end = min(len(self._text), start + length)
        return (start, end) if self._text[start:end].strip() else None
