"""Which tokens may come next while a generation has to produce given text (token healing)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from fimls.fim import Tokenizer


class ByteConstraint:
    """A vocabulary sorted by bytes, so that each step is a few binary searches.

    Works on bytes, not characters: a token may end inside a character. Control tokens never occur.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        control = set(tokenizer.control_tokens.values())
        tokens = {
            index: token
            for index in range(tokenizer.vocab_size)
            if index not in control and (token := tokenizer.token_bytes(index))
        }
        self._ids = sorted(tokens, key=tokens.__getitem__)
        self._tokens = [tokens[index] for index in self._ids]
        self._longest = max(map(len, self._tokens), default=0)

    @property
    def ids(self) -> Sequence[int]:
        """All ids that text is made of, in the order of their bytes."""
        return self._ids

    def allowed(self, left: bytes) -> list[int]:
        """Ids of the tokens that begin ``left``, or that ``left`` begins; ``left`` is not empty."""
        start, end = self._beyond(left)
        return self._ids[start:end] + [token for token, _ in self._parts_of(left)]

    def plan(self, text: bytes) -> list[tuple[int, int, list[tuple[int, int]]]]:
        """What :meth:`allowed` gives once 0, 1, 2... bytes of ``text`` are produced, in short.

        Returns ``(start, end, parts)`` for each: the tokens that begin with all that is left and
        have more are ``ids[start:end]``; those that are a part of it or all, and how many bytes,
        are in ``parts``.
        """
        lefts = [text[produced:] for produced in range(len(text))]
        return [(*self._beyond(left), self._parts_of(left)) for left in lefts]

    def _beyond(self, left: bytes) -> tuple[int, int]:
        last = left + b"\xff" * self._longest
        return bisect_right(self._tokens, left), bisect_right(self._tokens, last)

    def _parts_of(self, left: bytes) -> list[tuple[int, int]]:
        """Ids of the tokens that are a beginning of ``left``, or all, and how long each is."""
        parts = []
        for length in range(1, min(len(left), self._longest) + 1):
            part = left[:length]
            start, end = bisect_left(self._tokens, part), bisect_right(self._tokens, part)
            parts += [(token, length) for token in self._ids[start:end]]
        return parts
