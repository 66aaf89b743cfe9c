"""The handlers: what an editor sends, and what it gets back."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import gc
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from fimls import __version__
from fimls.completer import Completer
from fimls.context import WorkspaceContext
from fimls.server import whypage
from fimls.server.configuration import SECTION, Configuration
from fimls.server.documents import Documents, local_folders, workspace_path
from fimls.server.feedback import Feedback
from fimls.server.framing import BadMessage, encode, error_response, read_message
from fimls.server.handshake import (
    ACCEPTED_COMMAND,
    ADAPTERS_COMMAND,
    EXPLAIN_COMMAND,
    MODELS_COMMAND,
    PULL_COMMAND,
    RELOAD_COMMAND,
    STATUS_COMMAND,
    WHY_COMMAND,
    Client,
)
from fimls.server.host import EngineHost, State, Status, explain
from fimls.server.items import ItemMaker
from fimls.server.lastwords import LastWords
from fimls.server.pool import EnginePool
from fimls.server.progress import open_bar
from fimls.server.protocol import (
    DID_PARTIALLY_ACCEPT_COMPLETION,
    DID_SHOW_COMPLETION,
    Protocol,
)
from fimls.server.streams import Writer
from fimls.store import ModelSpec, Progress, Store, known_models
from fimls.store.adapters import AdapterRegistry
from fimls.syntax import LANGUAGES
from fimls.text import Position, TextChange, line_index
from fimls.types import Completion, Document, DocumentError, FimlsError
from fimls.uris import local_path

STATUS_NOTIFICATION = "fimls/status"

_ANSWER_TIMEOUT_S = 3.0

_log = logging.getLogger(__name__)


class Session(LanguageServer):
    """One editor's session, from the moment that ``initialize`` was answered."""

    protocol: Protocol

    def __init__(
        self,
        client: Client,
        command_line: Mapping[str, object],
        writer: Writer,
        engines: EnginePool | None = None,
    ) -> None:
        super().__init__("fimls", __version__, protocol_cls=Protocol)
        self.protocol.set_writer(writer)
        self._writer = writer
        self._client = client
        self._folders = client.folders
        self._documents = Documents(client.encoding)
        self._feedback = Feedback(self._documents)
        self._requests: dict[str, asyncio.Task[list[Completion]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._last_failure = ""
        self._offered: set[str] = set()  # models that the person was asked about
        self._last_words = LastWords()
        self._context = WorkspaceContext(self._documents)
        self._configuration = Configuration(
            next(iter(local_folders(client.folders)), None), client.options, command_line
        )
        self._broken_sources = self._configuration.drop_broken_sources()
        settings = self._configuration.merged()
        self._feedback.configure(settings)
        self._host = EngineHost(settings, self._on_status, self._open_bar, self._context, engines)
        self._register_handlers()

    async def run(self, reader: asyncio.StreamReader) -> None:
        """Handle messages until the client exits or closes the stream."""
        while not self.protocol.exited:
            try:
                message = await read_message(reader)
            except BadMessage as bad:
                self._writer.write(encode(error_response(bad.request_id, bad.code, str(bad))))
                continue
            if message is None:
                return
            try:
                self.protocol.receive(message)
            except Exception as error:  # noqa: BLE001 - an answer to no question; the server lives
                _log.warning("a message could not be handled: %s", type(error).__name__)

    async def aclose(self) -> None:
        """Give up everything that is under way and close the engine."""
        for task in (*self._tasks, *self._requests.values()):
            task.cancel()
        self._last_words.flush()
        await asyncio.gather(self._context.aclose(), self._host.aclose(), self._feedback.aclose())

    def report_server_error(self, error: Exception, source: object) -> None:
        """Log what went wrong in a handler, but not its text, which may quote a document."""
        name = getattr(source, "__name__", str(source))
        _log.error("%s: %s", name, type(error).__name__)

    def _register_handlers(self) -> None:
        features: dict[str, Callable[..., Any]] = {
            lsp.INITIALIZED: self._on_initialized,
            lsp.TEXT_DOCUMENT_DID_OPEN: self._on_did_open,
            lsp.TEXT_DOCUMENT_DID_CHANGE: self._on_did_change,
            lsp.TEXT_DOCUMENT_DID_CLOSE: self._on_did_close,
            lsp.TEXT_DOCUMENT_DID_SAVE: self._on_did_save,
            lsp.TEXT_DOCUMENT_INLINE_COMPLETION: self._on_inline_completion,
            lsp.TEXT_DOCUMENT_COMPLETION: self._on_completion,
            lsp.WORKSPACE_DID_CHANGE_CONFIGURATION: self._on_did_change_configuration,
            lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES: self._on_did_change_files,
            lsp.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS: self._on_did_change_folders,
            DID_SHOW_COMPLETION: self._feedback.shown,
            DID_PARTIALLY_ACCEPT_COMPLETION: self._feedback.partially_accepted,
        }
        commands: dict[str, Callable[..., Any]] = {
            ACCEPTED_COMMAND: self._run_accepted,
            ADAPTERS_COMMAND: self._run_adapters,
            EXPLAIN_COMMAND: self._run_explain,
            MODELS_COMMAND: self._run_models,
            PULL_COMMAND: self._run_pull,
            RELOAD_COMMAND: self._run_reload,
            STATUS_COMMAND: self._run_status,
            WHY_COMMAND: self._run_why,
        }
        # pygls writes attributes on what it registers, which a bound method doesn't allow.
        for method, handler in features.items():
            self.feature(method)(functools.partial(handler))
        for name, handler in commands.items():
            self.command(name)(functools.partial(handler))

    # ---------------------------------------------------------------------------------- documents

    def _on_did_open(self, params: lsp.DidOpenTextDocumentParams) -> None:
        opened = params.text_document
        try:
            self._documents.open(opened.uri, opened.language_id, opened.version, opened.text)
        except DocumentError as error:
            self._log_message(lsp.MessageType.Warning, explain(error))
        if document := self._documents.get(opened.uri):
            self._context.opened(document)

    def _on_did_change(self, params: lsp.DidChangeTextDocumentParams) -> None:
        changed = params.text_document
        changes = [_text_change(change) for change in params.content_changes]
        try:
            self._documents.change(changed.uri, changed.version, changes)
        except DocumentError as error:
            self._log_message(lsp.MessageType.Warning, explain(error))
        if document := self._documents.get(changed.uri):
            self._context.changed(document)

    def _on_did_close(self, params: lsp.DidCloseTextDocumentParams) -> None:
        uri = params.text_document.uri
        self._documents.close(uri)
        self._context.closed(uri)
        if self._host.completer is not None:
            self._host.completer.forget(uri)
        if request := self._requests.get(uri):
            request.cancel()

    def _on_did_save(self, params: lsp.DidSaveTextDocumentParams) -> None:
        self._context.saved(params.text_document.uri)

    def _on_did_change_files(self, params: lsp.DidChangeWatchedFilesParams) -> None:
        paths = (local_path(change.uri) for change in params.changes)
        self._context.files_changed([path for path in paths if path is not None])

    def _on_did_change_folders(self, params: lsp.DidChangeWorkspaceFoldersParams) -> None:
        removed = {folder.uri for folder in params.event.removed}
        kept = [uri for uri in self._folders if uri not in removed]
        self._folders = (*kept, *(folder.uri for folder in params.event.added))
        self._look_around()

    # -------------------------------------------------------------------------------- completions

    async def _on_inline_completion(
        self, params: lsp.InlineCompletionParams
    ) -> lsp.InlineCompletionList:
        """Never null, after which Neovim leaves the last ghost text on the screen.

        What is asked while the model loads is answered once it has: nobody asks a second time for
        the line where the cursor already is. (A popup isn't; some editors wait for it.)
        """
        document = self._documents.get(params.text_document.uri)
        await self._host.loaded()
        if document is None or self._documents.get(document.uri) is not document:
            return lsp.InlineCompletionList([])
        invoked = params.context.trigger_kind is lsp.InlineCompletionTriggerKind.Invoked
        completions = await self._complete(document, params.position, invoked=invoked)
        maker = ItemMaker(document, self._client.encoding)
        return lsp.InlineCompletionList([maker.inline(one) for one in completions])

    async def _on_completion(self, params: lsp.CompletionParams) -> lsp.CompletionList:
        """The trigger kind is of no use here: typing a letter counts as "invoked" too."""
        document = self._documents.get(params.text_document.uri)
        if document is None:
            return lsp.CompletionList(is_incomplete=True, items=[])
        completions = await self._complete(document, params.position, invoked=False)
        maker = ItemMaker(document, self._client.encoding)
        items = [maker.popup(one, rank) for rank, one in enumerate(completions)]
        return lsp.CompletionList(is_incomplete=True, items=items)

    async def _complete(
        self, document: Document, position: lsp.Position, *, invoked: bool
    ) -> list[Completion]:
        """Complete in a task of its own, so that closing the document can end it."""
        completer = self._host.completer
        if completer is None:
            return []
        place = Position(position.line, position.character)
        offset = line_index(document.text).offset(place, self._client.encoding)
        request = asyncio.create_task(self._generate(completer, document, offset, invoked=invoked))
        self._requests[document.uri] = request
        try:
            with self._host.using(completer):
                await asyncio.wait({request})
        finally:
            request.cancel()
            if self._requests.get(document.uri) is request:
                del self._requests[document.uri]
        if request.cancelled() or self._documents.get(document.uri) is not document:
            return []  # closed or edited: the text would stand in the wrong place
        return request.result()

    async def _generate(
        self, completer: Completer, document: Document, offset: int, *, invoked: bool
    ) -> list[Completion]:
        began = time.monotonic()
        try:
            result = await completer.complete(
                document,
                offset,
                path=workspace_path(document.uri, self._folders),
                invoked=invoked,
                candidates=self._host.settings.candidates if invoked else 1,
            )
        except FimlsError as error:
            self._host.report_failure(completer, error)
            self._log_failure(error)
            return []
        finally:
            if completer.explanations:
                self._last_words.note(completer.explanations[-1])
        self._feedback.answered(
            document,
            result.completions,
            latency_ms=(time.monotonic() - began) * 1000,
            model=completer.engine.model,
            adapter=self._host.status.adapter,
        )
        self._host.report_success(completer)
        self._last_failure = ""
        _log.debug("%d completions, %s", len(result.completions), result.suppressed)
        return list(result.completions)

    def _log_failure(self, error: FimlsError) -> None:
        """Log a failure, but not again for each keystroke."""
        text = explain(error)
        if text != self._last_failure:
            self._last_failure = text
            self._log_message(lsp.MessageType.Error, text)

    # ----------------------------------------------------------------------------------- commands

    def _run_accepted(self, *completion_ids: str) -> None:
        for completion_id in completion_ids:
            self._feedback.accepted(completion_id)

    async def _run_pull(self) -> dict[str, object]:
        if self._host.status.state is not State.READY:
            await self._pull()
        return self._run_status()

    def _run_reload(self) -> None:
        """Load again what the settings name: an adapter's folder was written anew, say."""
        self._host.load(anew=True)

    def _run_status(self) -> dict[str, object]:
        return {
            **_as_json(self._host.status),
            "counts": self._feedback.counts(),
            "context": self._context.status(),
        }

    def _run_explain(self) -> str:
        """The last request's explanation as Markdown; "" if there was none."""
        completer = self._host.completer
        kept = completer.explanations if completer is not None else ()
        return whypage.render(kept[-1].as_json()) if kept else ""

    def _run_models(self) -> list[dict[str, object]]:
        """The known models, and whether each is here."""
        store = Store()
        return [
            {
                "name": spec.name,
                "note": f"{spec.bytes / 1_000_000:,.0f} MB"
                + (", on this machine" if store.blob_path(spec).exists() else ""),
            }
            for spec in known_models()
        ]

    def _run_adapters(self) -> list[dict[str, object]]:
        """The adapters with a name: what the setting ``adapter`` takes."""
        return [
            {
                "name": one.name,
                "note": one.base
                + (", comes with fimls" if one.shipped else "")
                + (", promoted" if one.promoted else ""),
            }
            for one in AdapterRegistry().list()
        ]

    def _run_why(self, *arguments: object) -> list[dict[str, object]]:
        """Explain the last request; with ``{"since": ID, "ids": bool}`` each one after that id."""
        completer = self._host.completer
        kept = list(completer.explanations) if completer is not None else []
        options = arguments[0] if arguments and isinstance(arguments[0], Mapping) else {}
        since = options.get("since")
        asked = [one for one in kept if one.id > since] if isinstance(since, int) else kept[-1:]
        return [one.as_json(ids=bool(options.get("ids"))) for one in asked]

    # ------------------------------------------------------------------------ settings and engine

    async def _on_initialized(self, _: lsp.InitializedParams) -> None:
        for error in self._broken_sources:
            self._show_error(error)
        self._start(self._register())
        if self._client.configuration:
            self._configure(await self._ask_for_configuration())
        self._look_around()
        self._host.load()

    async def _on_did_change_configuration(self, params: lsp.DidChangeConfigurationParams) -> None:
        settings: object = params.settings
        if not settings and self._client.configuration:
            settings = await self._ask_for_configuration()
        self._configure(settings)

    def _configure(self, editor: object) -> None:
        """Take the editor's settings, or say what is wrong with them and keep the earlier ones."""
        try:
            self._host.configure(self._configuration.merged(editor))
        except FimlsError as error:
            self._show_error(error)
        else:
            self._feedback.configure(self._host.settings)
            self._look_around()

    def _look_around(self) -> None:
        """Follow the folders and the settings, or say why not."""
        settings = self._host.settings
        try:
            self._context.configure(
                local_folders(self._folders),
                globs=settings.exclude,
                sources=settings.snippet_sources,
                index=settings.context,
            )
        except FimlsError as error:
            self._show_error(error)

    async def _ask_for_configuration(self) -> object:
        """Return the editor's settings for fimls; None if it doesn't answer."""
        item = lsp.ConfigurationItem(section=SECTION)
        asking = self.workspace_configuration_async(lsp.ConfigurationParams([item]))
        try:
            answers = await asyncio.wait_for(asking, _ANSWER_TIMEOUT_S)
        except (JsonRpcException, asyncio.TimeoutError) as error:
            _log.warning("the editor did not tell its settings: %s", type(error).__name__)
            return None
        return answers[0] if answers else None

    async def _register(self) -> None:
        """Ask to be told of changed settings and files, where the editor wants to be asked."""
        registrations = []
        if self._client.dynamic_configuration:
            options = lsp.DidChangeConfigurationRegistrationOptions(section=SECTION)
            method = lsp.WORKSPACE_DID_CHANGE_CONFIGURATION
            registrations.append(lsp.Registration("fimls-configuration", method, options))
        if self._client.watched_files:
            watched = lsp.DidChangeWatchedFilesRegistrationOptions([watcher_of_sources()])
            method = lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES
            registrations.append(lsp.Registration("fimls-files", method, watched))
        if not registrations:
            return
        try:
            await self.client_register_capability_async(lsp.RegistrationParams(registrations))
        except JsonRpcException as error:
            _log.warning("the editor won't tell of changes: %s", error.message)

    def _on_status(self, status: Status) -> None:
        self.protocol.notify(STATUS_NOTIFICATION, _as_json(status))
        if status.state is State.ERROR:
            self._show(lsp.MessageType.Error, status.message)
        if status.state is State.READY:
            _settle_memory()
        spec = self._host.missing_model()
        if spec is not None and spec.name not in self._offered:
            self._offered.add(spec.name)
            self._start(self._offer_download(spec))

    async def _offer_download(self, spec: ModelSpec) -> None:
        """Ask once whether to fetch a model, and fetch it only then."""
        download = f"Download ({spec.bytes / 1_000_000:,.0f} MB)"
        question = lsp.ShowMessageRequestParams(
            lsp.MessageType.Info,
            f"fimls: the model {spec.name} is not on this machine yet.",
            actions=[lsp.MessageActionItem(download), lsp.MessageActionItem("Not now")],
        )
        try:
            answer = await self.window_show_message_request_async(question)
        except JsonRpcException as error:
            _log.warning("the editor can't ask whether to fetch the model: %s", error.message)
            return
        if answer is not None and answer.title == download:
            await self._pull()

    async def _pull(self) -> None:
        try:
            await self._host.pull()
        except FimlsError as error:
            self._show_error(error)

    def _open_bar(self, title: str) -> AbstractAsyncContextManager[Progress]:
        return open_bar(self, title, shown=self._client.progress)

    # ----------------------------------------------------------------------------------- messages

    def _show_error(self, error: FimlsError) -> None:
        self._show(lsp.MessageType.Error, explain(error))

    def _show(self, kind: lsp.MessageType, text: str) -> None:
        self.window_show_message(lsp.ShowMessageParams(kind, f"fimls: {text}"))

    def _log_message(self, kind: lsp.MessageType, text: str) -> None:
        _log.warning("%s", text)
        self.window_log_message(lsp.LogMessageParams(kind, text))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _text_change(change: lsp.TextDocumentContentChangeEvent) -> TextChange:
    if isinstance(change, lsp.TextDocumentContentChangeWholeDocument):
        return TextChange(change.text)
    start, end = change.range.start, change.range.end
    span = (Position(start.line, start.character), Position(end.line, end.character))
    return TextChange(change.text, span)


def _settle_memory() -> None:
    """Look for garbage once now, and never again in what is loaded.

    That is most of what there is; a full collection of it takes 70 ms, in which a key waits.
    """
    gc.collect()
    gc.freeze()


def watcher_of_sources() -> lsp.FileSystemWatcher:
    """Watches the files that the table of languages knows by their suffix."""
    suffixes = sorted({suffix[1:] for language in LANGUAGES for suffix in language.suffixes})
    return lsp.FileSystemWatcher(f"**/*.{{{','.join(suffixes)}}}")


def _as_json(status: Status) -> dict[str, object]:
    return {**dataclasses.asdict(status), "state": status.state.value}
