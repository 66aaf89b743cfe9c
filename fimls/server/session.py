"""A session: what an editor sends, and what it gets back."""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer

from fimls import __version__
from fimls.context import WorkspaceContext
from fimls.server import why
from fimls.server.completions import CompletionRequests
from fimls.server.configuration import Configuration
from fimls.server.documents import Documents, local_folders
from fimls.server.editor import Editor, status_json
from fimls.server.feedback import Feedback
from fimls.server.framing import BadMessage, Writer, encode, error_response, read_message
from fimls.server.handshake import Client, Command
from fimls.server.host import EngineHost, State, Status, explain
from fimls.server.logs import set_level
from fimls.server.pool import EnginePool
from fimls.server.protocol import (
    DID_PARTIALLY_ACCEPT_COMPLETION,
    DID_SHOW_COMPLETION,
    Protocol,
)
from fimls.store import ModelSpec, Store, known_models
from fimls.store.adapters import AdapterRegistry
from fimls.text import Position, TextChange
from fimls.types import DocumentError, FimlsError
from fimls.uris import local_path

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
        self._editor = Editor(self, client)
        self._documents = Documents(client.encoding, client.folders)
        self._feedback = Feedback(self._documents)
        self._tasks: set[asyncio.Task[None]] = set()
        self._offered: set[str] = set()  # models that the person was asked about
        self._context = WorkspaceContext(self._documents)
        self._configuration = Configuration(
            next(iter(local_folders(client.folders)), None), client.options, command_line
        )
        self._broken_sources = self._configuration.drop_broken_sources()
        settings = self._configuration.merged()
        self._feedback.configure(settings)
        set_level(settings.log_level)
        self._host = EngineHost(
            settings, self._on_status, self._editor.progress, self._context, engines
        )
        self._completions = CompletionRequests(
            self._documents, self._host, self._feedback, self._editor
        )
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
            except Exception as error:  # noqa: BLE001 - an answer to nothing, say; go on
                _log.warning("a message could not be handled: %s", type(error).__name__)

    async def aclose(self) -> None:
        """Give up everything that is under way and close the engine."""
        for task in self._tasks:
            task.cancel()
        self._completions.close()
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
            lsp.TEXT_DOCUMENT_INLINE_COMPLETION: self._completions.on_inline_completion,
            lsp.TEXT_DOCUMENT_COMPLETION: self._completions.on_completion,
            lsp.WORKSPACE_DID_CHANGE_CONFIGURATION: self._on_did_change_configuration,
            lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES: self._on_did_change_files,
            lsp.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS: self._on_did_change_folders,
            DID_SHOW_COMPLETION: self._feedback.shown,
            DID_PARTIALLY_ACCEPT_COMPLETION: self._feedback.partially_accepted,
        }
        commands: dict[Command, Callable[..., Any]] = {
            Command.ACCEPTED: self._run_accepted,
            Command.ADAPTERS: self._run_adapters,
            Command.EXPLAIN: self._run_explain,
            Command.MODELS: self._run_models,
            Command.PULL: self._run_pull,
            Command.RELOAD: self._run_reload,
            Command.STATUS: self._run_status,
            Command.WHY: self._run_why,
        }
        # pygls writes attributes on what it registers, which a bound method doesn't allow.
        for method, handler in features.items():
            self.feature(method)(functools.partial(handler))
        for command, handler in commands.items():
            self.command(command.value)(functools.partial(handler))

    # ---------------------------------------------------------------------------------- documents

    def _on_did_open(self, params: lsp.DidOpenTextDocumentParams) -> None:
        opened = params.text_document
        try:
            self._documents.open(opened.uri, opened.language_id, opened.version, opened.text)
        except DocumentError as error:
            self._editor.log(lsp.MessageType.Warning, explain(error))
        if document := self._documents.get(opened.uri):
            self._context.opened(document)

    def _on_did_change(self, params: lsp.DidChangeTextDocumentParams) -> None:
        changed = params.text_document
        changes = [_text_change(change) for change in params.content_changes]
        try:
            self._documents.change(changed.uri, changed.version, changes)
        except DocumentError as error:
            self._editor.log(lsp.MessageType.Warning, explain(error))
        if document := self._documents.get(changed.uri):
            self._context.changed(document)

    def _on_did_close(self, params: lsp.DidCloseTextDocumentParams) -> None:
        uri = params.text_document.uri
        self._documents.close(uri)
        self._context.closed(uri)
        if self._host.completer is not None:
            self._host.completer.forget(uri)
        self._completions.document_closed(uri)

    def _on_did_save(self, params: lsp.DidSaveTextDocumentParams) -> None:
        self._context.saved(params.text_document.uri)

    def _on_did_change_files(self, params: lsp.DidChangeWatchedFilesParams) -> None:
        paths = (local_path(change.uri) for change in params.changes)
        self._context.files_changed([path for path in paths if path is not None])

    def _on_did_change_folders(self, params: lsp.DidChangeWorkspaceFoldersParams) -> None:
        removed = {folder.uri for folder in params.event.removed}
        kept = [uri for uri in self._documents.folders if uri not in removed]
        self._documents.folders = (*kept, *(folder.uri for folder in params.event.added))
        self._look_around()

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
            **status_json(self._host.status),
            "counts": self._feedback.counts(),
            "context": self._context.status(),
        }

    def _run_explain(self) -> str:
        """The last request's explanation as Markdown; "" if there was none."""
        completer = self._host.completer
        kept = completer.explanations if completer is not None else ()
        return why.render(kept[-1].as_json()) if kept else ""

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
            self._editor.show_error(error)
        self._start(self._editor.register())
        if self._client.configuration:
            self._configure(await self._editor.settings())
        self._look_around()
        self._host.load()

    async def _on_did_change_configuration(self, params: lsp.DidChangeConfigurationParams) -> None:
        settings: object = params.settings
        if not settings and self._client.configuration:
            settings = await self._editor.settings()
        self._configure(settings)

    def _configure(self, editor: object) -> None:
        """Take the editor's settings, or say what is wrong with them and keep the earlier ones."""
        try:
            self._host.configure(self._configuration.merged(editor))
        except FimlsError as error:
            self._editor.show_error(error)
        else:
            self._feedback.configure(self._host.settings)
            set_level(self._host.settings.log_level)
            self._look_around()

    def _look_around(self) -> None:
        """Follow the folders and the settings, or say why not."""
        settings = self._host.settings
        try:
            self._context.configure(
                local_folders(self._documents.folders),
                globs=settings.exclude,
                sources=settings.snippet_sources,
                index=settings.context,
            )
        except FimlsError as error:
            self._editor.show_error(error)

    def _on_status(self, status: Status) -> None:
        self._editor.tell_status(status)
        if status.state is State.ERROR:
            self._editor.show(lsp.MessageType.Error, status.message)
        if status.state is State.READY:
            _settle_memory()
        spec = self._host.missing_model()
        if spec is not None and spec.name not in self._offered:
            self._offered.add(spec.name)
            self._start(self._offer_download(spec))

    async def _offer_download(self, spec: ModelSpec) -> None:
        """Ask once whether to fetch a model, and fetch it only then."""
        if await self._editor.wants(spec):
            await self._pull()

    async def _pull(self) -> None:
        try:
            await self._host.pull()
        except FimlsError as error:
            self._editor.show_error(error)

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
    """Collect garbage now, and never again among the objects that exist by now.

    They are most of all objects; collecting them takes 70 ms, in which a keystroke waits.
    """
    gc.collect()
    gc.freeze()
