"""The renderer: from messages to ids, the same for training and for inference."""

from __future__ import annotations

from collections.abc import Sequence

from fimls.fim import TokenizedExample, Tokenizer
from fimls.fim.prompt import IGNORED_LABEL
from fimls.types import PromptError
from training.dialogue.messages import Message, Role
from training.dialogue.tokens import (
    BEGIN_HEADER,
    BEGIN_TURN,
    DIALOGUE_TOKENS,
    END_HEADER,
    END_TURN,
)


def render(
    messages: Sequence[Message], tokenizer: Tokenizer, *, for_generation: bool
) -> TokenizedExample:
    """A dialogue as token ids; literal control tokens in a text never become control ids.

    The loss falls on the assistant's texts and their ``[eot]`` alone. The spaces around a text
    belong to it: the one before is part of its first word's token, which the model has to choose.

    for_generation: the header of the assistant's next turn follows, and no label is set: the ids
        are a prompt, whose answer ends with ``[eot]``.

    Raises:
        PromptError: the tokenizer lacks a control token.
    """
    control = _control_ids(tokenizer)
    ids: list[int] = []
    labels: list[int] = []

    def add(new: Sequence[int], *, learnt: bool = False) -> None:
        ids.extend(new)
        labels.extend(new if learnt else [IGNORED_LABEL] * len(new))

    def add_header(role: Role) -> None:
        add([control[BEGIN_TURN], *tokenizer.encode(" "), control[BEGIN_HEADER]])
        add([*tokenizer.encode(role.value), control[END_HEADER]])

    for message in messages:
        add_header(message.role)
        learnt = message.role is Role.ASSISTANT and not for_generation
        add([*tokenizer.encode(f" {message.content} "), control[END_TURN]], learnt=learnt)
    if for_generation:
        add_header(Role.ASSISTANT)
    return TokenizedExample(input_ids=tuple(ids), labels=tuple(labels))


def _control_ids(tokenizer: Tokenizer) -> dict[str, int]:
    ids = {token: tokenizer.control_id(token) for token in DIALOGUE_TOKENS}
    known = {token: index for token, index in ids.items() if index is not None}
    if missing := [token for token in DIALOGUE_TOKENS if token not in known]:
        raise PromptError(
            f"the tokenizer has no {', '.join(missing)}, which a dialogue needs",
            hint="add them with training.dialogue.with_dialogue_tokens, and train their rows",
        )
    return known
