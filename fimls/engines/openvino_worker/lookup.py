"""Prompt lookup decoding (Saxena 2023): what followed the last time the same tokens stood here."""

from __future__ import annotations

from collections.abc import Iterable

_LONGEST_MATCH = 4


class History:
    """A sequence's tokens, searchable from the end.

    Kept as a string with a character for each id, because a string searches at the speed of
    memory: code points go to 1,114,111, which is more than a vocabulary has.
    """

    def __init__(self, ids: Iterable[int]) -> None:
        self.ids = list(ids)
        self._text = "".join(map(chr, self.ids))

    def append(self, token: int) -> None:
        """Note the next token."""
        self.ids.append(token)
        self._text += chr(token)

    def continuation(self, count: int) -> list[int]:
        """Guess the next ``count`` tokens, whatever they are worth: those after the last place
        where the last four tokens stood before, or fewer, down to one.
        """
        text = self._text
        while len(text) < len(self._text) + count:
            text += self._following(text)[: len(self._text) + count - len(text)]
        return [ord(character) for character in text[len(self._text) :]]

    @staticmethod
    def _following(text: str) -> str:
        """What stands after the last match; the last token again where there is none."""
        for length in range(_LONGEST_MATCH, 0, -1):
            place = text.rfind(text[-length:], 0, -1)
            if place >= 0:
                return text[place + length :]
        return text[-1]
