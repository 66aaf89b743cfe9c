"""Dialogues: JSONL in, token ids with labels out, by one renderer for training and inference.

::

    [bot] [boh]ROLE[eoh] TEXT [eot]        a turn; a dialogue is its turns one after the other

``messages`` reads the files; ``render`` makes the ids, and writes the same as a chat template for
programs that know nothing of fimls.
"""

from training.dialogue.messages import (
    DIALOGUES_SUFFIX,
    DialogueSource,
    Message,
    Role,
    scan_dialogues,
)
from training.dialogue.render import (
    CHAT_TEMPLATE_FILE,
    DIALOGUE_TOKENS,
    chat_template,
    render,
    write_chat_template,
)

__all__ = [
    "CHAT_TEMPLATE_FILE",
    "DIALOGUES_SUFFIX",
    "DIALOGUE_TOKENS",
    "DialogueSource",
    "Message",
    "Role",
    "chat_template",
    "render",
    "scan_dialogues",
    "write_chat_template",
]
