"""Completions as LSP has them: ghost text, and entries of a popup."""

from __future__ import annotations

import re

from lsprotocol import types as lsp

from fimls.server.handshake import ACCEPTED_COMMAND
from fimls.text import Encoding, is_word_character, line_index
from fimls.types import Completion, Document

_LINE_END = re.compile(r"\r\n?|\n")
_MOST_WORD_CHARACTERS = 100
_MOST_LABEL_CHARACTERS = 60


class ItemMaker:
    """Makes items for one document and position encoding."""

    def __init__(self, document: Document, encoding: Encoding) -> None:
        self._text = document.text
        self._lines = line_index(document.text)
        self._encoding = encoding

    def inline(self, completion: Completion) -> lsp.InlineCompletionItem:
        """Return ghost text.

        It has a range, without which Neovim takes the cursor's place when the answer comes. Editors
        run its command when it is accepted as a whole.
        """
        return lsp.InlineCompletionItem(
            insert_text=completion.text,
            range=self._range(completion.start, completion.end),
            command=_accepted(completion),
        )

    def popup(self, completion: Completion, rank: int) -> lsp.CompletionItem:
        """Return an entry of the popup.

        It replaces the word before the cursor by itself plus the completion: popups show only what
        starts with that word.
        """
        word = self._word_before(completion.start)
        text = word + completion.text
        first_line, *more = _LINE_END.split(text)
        label = first_line.strip() or text.strip()
        if len(label) > _MOST_LABEL_CHARACTERS or more:
            label = label[:_MOST_LABEL_CHARACTERS].rstrip() + "\N{HORIZONTAL ELLIPSIS}"
        return lsp.CompletionItem(
            label=label,
            kind=lsp.CompletionItemKind.Text,
            detail="fimls",
            documentation=text if more else None,
            sort_text=f"\t{rank}",
            filter_text=first_line,
            insert_text_format=lsp.InsertTextFormat.PlainText,
            text_edit=lsp.TextEdit(self._range(completion.start - len(word), completion.end), text),
            command=_accepted(completion),
        )

    def _word_before(self, offset: int) -> str:
        line_start = self._lines.starts[self._lines.line_of(offset)]
        start = offset
        while start > max(line_start, offset - _MOST_WORD_CHARACTERS) and is_word_character(
            self._text[start - 1]
        ):
            start -= 1
        return self._text[start:offset]

    def _range(self, start: int, end: int) -> lsp.Range:
        first = self._lines.position(start, self._encoding)
        last = self._lines.position(end, self._encoding)
        return lsp.Range(lsp.Position(*first), lsp.Position(*last))


def _accepted(completion: Completion) -> lsp.Command:
    return lsp.Command("Accepted", ACCEPTED_COMMAND, arguments=[completion.id])
