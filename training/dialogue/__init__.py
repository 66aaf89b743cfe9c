"""Dialogues: JSONL in, token ids with labels out, by one renderer for training and inference.

::

    [bot] [boh]ROLE[eoh] TEXT [eot]        a turn; a dialogue is its turns one after the other

``messages`` reads the files, ``tokens`` adds the four control tokens to a base, ``render`` makes
the ids, ``template`` writes the same as a chat template, for programs that know nothing of fimls.
"""

from training.dialogue.messages import (
    Message,
    Role,
    parse_dialogue,
    read_dialogues,
    scan_dialogues,
)
from training.dialogue.render import render
from training.dialogue.template import CHAT_TEMPLATE_FILE, chat_template, write_chat_template
from training.dialogue.tokens import DIALOGUE_TOKENS, with_dialogue_tokens

__all__ = [
    "CHAT_TEMPLATE_FILE",
    "DIALOGUE_TOKENS",
    "Message",
    "Role",
    "chat_template",
    "parse_dialogue",
    "read_dialogues",
    "render",
    "scan_dialogues",
    "with_dialogue_tokens",
    "write_chat_template",
]
