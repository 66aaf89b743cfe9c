"""Token healing: a cursor is often inside a token.

``ret|`` tokenizes as ``ret``, after which a model never writes ``urn``: in its training text the
token was `` return``. So the prompt ends before the last piece that the text to come could change,
and the first generated tokens must begin with the text that was cut. Training cuts the same piece,
so that a model sees the seams that it will be served with.
"""

from __future__ import annotations

from fimls.fim.tokenizer import Tokenizer

# A cut word is generated again, one decoding step for each token: longer words aren't cut.
MAX_HEALED_CHARS = 24
# How far back to look for the piece's start; a piece never goes back beyond a line's end.
_LOOK_BACK_CHARS = 200


def split_for_healing(prefix: str, tokenizer: Tokenizer) -> tuple[str, str]:
    """Split a prefix into what stays in the prompt and what is generated again.

    Nothing is cut after a line's end, since hardly any token continues across it, nor where the
    last piece is a word longer than ``MAX_HEALED_CHARS``. Indentation of any length is one token or
    two.
    """
    if not prefix or prefix[-1] in "\r\n":
        return prefix, ""
    line_start = max(prefix.rfind("\n"), prefix.rfind("\r")) + 1
    tail_start = max(len(prefix) - _LOOK_BACK_CHARS, line_start)
    tail = prefix[tail_start:]
    start = tokenizer.last_pre_token_start(tail)
    if start is None:
        # Either one piece from the line's start, or a tokenizer that never splits (SentencePiece).
        whole = len(tail) <= MAX_HEALED_CHARS or tail.isspace()
        start = 0 if whole else tokenizer.encode_with_starts(tail)[1][-1]
    cut = tail_start + start
    healing = prefix[cut:]
    # No engine's grammar takes a NUL; code has none.
    if "\0" in healing or (len(healing) > MAX_HEALED_CHARS and not healing.isspace()):
        return prefix, ""
    return prefix[:cut], healing


class HealingFilter:
    """Takes the healed text off the front of a streamed generation."""

    def __init__(self, healing: str) -> None:
        self._left = healing

    def push(self, text: str) -> str:
        """The part of ``text`` that comes after the healed text.

        Raises:
            ValueError: the generation doesn't begin with the healed text: the engine's constraint
                failed, and showing the text would duplicate or lose characters.
        """
        if not self._left:
            return text
        shared = min(len(self._left), len(text))
        if text[:shared] != self._left[:shared]:
            message = "the generation does not begin with the healed text"
            raise ValueError(message)
        self._left = self._left[shared:]
        return text[shared:]

    @property
    def complete(self) -> bool:
        """Whether the whole healed text has been produced."""
        return not self._left
