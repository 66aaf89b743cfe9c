"""The renderer: from messages to ids, the same for training and for inference.

The chat template that is saved with an adapter is the same renderer in Jinja, for other programs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from fimls.files import write_atomically
from fimls.fim import TokenizedExample, Tokenizer
from fimls.fim.prompt import IGNORED_LABEL
from fimls.types import PromptError
from training.dialogue.messages import Message, Role

BEGIN_TURN, BEGIN_HEADER, END_HEADER, END_TURN = "[bot]", "[boh]", "[eoh]", "[eot]"

DIALOGUE_TOKENS = (BEGIN_TURN, BEGIN_HEADER, END_HEADER, END_TURN)
"""In the order in which a base gets their ids. No base has them: their rows are trained."""


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
            hint="train on dialogues first, which adds them: fimls train DIALOGUES.jsonl",
        )
    return known


CHAT_TEMPLATE_FILE = "chat_template.jinja"
"""transformers and llama.cpp look for this name."""

_TEMPLATE = """\
{%- set controls = CONTROLS -%}
{%- for message in messages -%}
{%- if message['role'] not in ROLES -%}
{{- raise_exception('unknown role ' + message['role']) -}}
{%- endif -%}
{%- for control in controls -%}
{%- if control in message['content'] -%}
{{- raise_exception('a text holds the control token ' + control) -}}
{%- endif -%}
{%- endfor -%}
{{- 'BOT BOH' + message['role'] + 'EOH ' + message['content'] + ' EOT' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- 'BOT BOHassistantEOH' -}}
{%- endif -%}
"""


def chat_template(tokenizer: Tokenizer) -> str:
    """The template whose text tokenizes to what :func:`training.dialogue.render` makes.

    A template makes text, in which a control token that somebody wrote can't be told from a real
    one: it refuses such texts, where the renderer encodes them as plain characters.
    """
    values = {
        "CONTROLS": json.dumps(sorted(tokenizer.control_tokens), ensure_ascii=False),
        "ROLES": json.dumps([role.value for role in Role]),
        "BOT": BEGIN_TURN,
        "BOH": BEGIN_HEADER,
        "EOH": END_HEADER,
        "EOT": END_TURN,
    }
    # In one pass: a control token may well be spelt like one of the names.
    return re.sub("|".join(values), lambda name: values[name[0]], _TEMPLATE)


def write_chat_template(folder: Path, tokenizer: Tokenizer) -> Path:
    """Write the template beside an adapter; returns its path."""
    path = folder / CHAT_TEMPLATE_FILE
    write_atomically(path, chat_template(tokenizer).encode())
    return path
