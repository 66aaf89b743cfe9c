"""The chat template that is saved with an adapter: the renderer, in Jinja, for other programs."""

from __future__ import annotations

import json
import re
from pathlib import Path

from fimls.files import write_atomically
from fimls.fim import Tokenizer
from training.dialogue.messages import Role
from training.dialogue.tokens import BEGIN_HEADER, BEGIN_TURN, END_HEADER, END_TURN

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
