"""The control tokens of a dialogue."""

from __future__ import annotations

from fimls.fim import Tokenizer

BEGIN_TURN, BEGIN_HEADER, END_HEADER, END_TURN = "[bot]", "[boh]", "[eoh]", "[eot]"

DIALOGUE_TOKENS = (BEGIN_TURN, BEGIN_HEADER, END_HEADER, END_TURN)
"""In the order in which a base gets their ids. No base has them: their rows are trained."""


def with_dialogue_tokens(tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer with the dialogue's control tokens; those that it has keep their ids."""
    return tokenizer.with_added(DIALOGUE_TOKENS)
