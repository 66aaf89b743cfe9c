"""Which tokens may come next while a generation has to produce given text (token healing)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from fimls.fim import Tokenizer


class ByteConstraint:
    """A vocabulary sorted by bytes, so that each step is a few binary searches.

    Works on bytes, not characters: a token may end inside a character. Control tokens never occur.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        control = set(tokenizer.control_tokens.values())
        tokens = sorted(
            (token, index)
            for index in range(tokenizer.vocab_size)
            if index not in control and (token := tokenizer.token_bytes(index))
        )
        self._tokens = [token for token, _ in tokens]
        self._ids = [index for _, index in tokens]
        self._longest = max(map(len, self._tokens), default=0)

    def allowed(self, left: bytes) -> list[int]:
        """Ids of the tokens that begin ``left``, or that ``left`` begins; ``left`` is not empty."""
        start = bisect_left(self._tokens, left)
        end = bisect_right(self._tokens, left + b"\xff" * self._longest)
        ids = self._ids[start:end]
        for length in range(1, min(len(left), self._longest + 1)):
            begins = left[:length]
            start = bisect_left(self._tokens, begins)
            end = bisect_right(self._tokens, begins)
            ids += self._ids[start:end]
        return ids
