"""The requests for completions, and what LSP calls their answers."""

from __future__ import annotations

import asyncio
import logging
import re
import time

from lsprotocol import types as lsp

from fimls.completer import Completer
from fimls.server.documents import Documents, workspace_path
from fimls.server.editor import Editor
from fimls.server.feedback import Feedback
from fimls.server.handshake import Command
from fimls.server.host import EngineHost, explain
from fimls.server.why import LastExplanation
from fimls.text import Encoding, Position, is_word_character, line_index
from fimls.types import Completion, Document, FimlsError

_LINE_END = re.compile(r"\r\n?|\n")
_MOST_WORD_CHARACTERS = 100
_MOST_LABEL_CHARACTERS = 60

_log = logging.getLogger(__name__)


class CompletionRequests:
    """Answers a session's requests for completions."""

    def __init__(
        self, documents: Documents, host: EngineHost, feedback: Feedback, editor: Editor
    ) -> None:
        self._documents = documents
        self._host = host
        self._feedback = feedback
        self._editor = editor
        self._under_way: dict[str, asyncio.Task[list[Completion]]] = {}
        self._last_explanation = LastExplanation()
        self._last_failure = ""

    async def on_inline_completion(
        self, params: lsp.InlineCompletionParams
    ) -> lsp.InlineCompletionList:
        """Answer with ghost text; never null, which leaves the last one on Neovim's screen.

        What is asked while the model loads is answered once it has loaded: nobody asks a second
        time for the line where the cursor already is. (A popup isn't; some editors wait for it.)
        """
        document = self._documents.get(params.text_document.uri)
        await self._host.loaded()
        if document is None or self._documents.get(document.uri) is not document:
            return lsp.InlineCompletionList([])
        invoked = params.context.trigger_kind is lsp.InlineCompletionTriggerKind.Invoked
        completions = await self._complete(document, params.position, invoked=invoked)
        maker = ItemMaker(document, self._documents.encoding)
        return lsp.InlineCompletionList([maker.inline(one) for one in completions])

    async def on_completion(self, params: lsp.CompletionParams) -> lsp.CompletionList:
        """Answer with the popup's entries.

        The trigger kind is of no use here: typing a letter counts as "invoked" too.
        """
        document = self._documents.get(params.text_document.uri)
        if document is None:
            return lsp.CompletionList(is_incomplete=True, items=[])
        completions = await self._complete(document, params.position, invoked=False)
        maker = ItemMaker(document, self._documents.encoding)
        items = [maker.popup(one, rank) for rank, one in enumerate(completions)]
        return lsp.CompletionList(is_incomplete=True, items=items)

    def document_closed(self, uri: str) -> None:
        """Give up the request under way for a document."""
        if request := self._under_way.get(uri):
            request.cancel()

    def close(self) -> None:
        """Give up all requests, and write the last one's explanation."""
        for request in self._under_way.values():
            request.cancel()
        self._last_explanation.flush()

    async def _complete(
        self, document: Document, position: lsp.Position, *, invoked: bool
    ) -> list[Completion]:
        """Complete in a task of its own, so that closing the document can end it."""
        completer = self._host.completer
        if completer is None:
            return []
        place = Position(position.line, position.character)
        offset = line_index(document.text).offset(place, self._documents.encoding)
        request = asyncio.create_task(self._generate(completer, document, offset, invoked=invoked))
        self._under_way[document.uri] = request
        try:
            with self._host.using(completer):
                await asyncio.wait({request})
        finally:
            request.cancel()
            if self._under_way.get(document.uri) is request:
                del self._under_way[document.uri]
        if request.cancelled() or self._documents.get(document.uri) is not document:
            return []  # closed or edited: the text would be in the wrong place
        return request.result()

    async def _generate(
        self, completer: Completer, document: Document, offset: int, *, invoked: bool
    ) -> list[Completion]:
        began = time.monotonic()
        try:
            result = await completer.complete(
                document,
                offset,
                path=workspace_path(document.uri, self._documents.folders),
                invoked=invoked,
                candidates=self._host.settings.candidates if invoked else 1,
            )
        except FimlsError as error:
            self._host.report_failure(completer, error)
            self._log_failure(error)
            return []
        finally:
            if completer.explanations:
                self._last_explanation.note(completer.explanations[-1])
        self._feedback.answered(
            document,
            result.completions,
            latency_ms=(time.monotonic() - began) * 1000,
            model=completer.engine.model,
            adapter=self._host.status.adapter,
        )
        self._host.report_success(completer)
        self._last_failure = ""
        return list(result.completions)

    def _log_failure(self, error: FimlsError) -> None:
        """Log a failure, but not again for each keystroke."""
        text = explain(error)
        if text != self._last_failure:
            self._last_failure = text
            self._editor.log(lsp.MessageType.Error, text)


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
    return lsp.Command("Accepted", Command.ACCEPTED.value, arguments=[completion.id])
