"""An editor for tests: a real LSP client library, and the server process that it talks to."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest_lsp
from lsprotocol import types as lsp

ROOT = Path(__file__).parents[2]
URI = "file:///project/module.py"
ANSWER_TIMEOUT_S = 300.0  # mostly a test's own limit ends it before

# What a person has no patience for, a test on a busy machine has: a later option may say otherwise.
PATIENT = ("--set", "deadline_ms=60000", "--set", "answer_ms=0")

Script = Sequence[Mapping[str, Any]]


def serve_command(*options: str) -> list[str]:
    """Return the command that starts a server on standard input and output."""
    return [sys.executable, "-m", "fimls", "serve", "--stdio", *PATIENT, *options]


def scripted(folder: Path, rules: Script) -> list[str]:
    """Write a script for the scripted engine and return the options that play it."""
    path = folder / "script.json"
    path.write_text(json.dumps(rules), encoding="utf-8")
    return ["--engine", "scripted", "--set", f"scripted_file={path}"]


def capabilities(
    *,
    encodings: Sequence[str] = (),
    inline: bool = True,
    progress: bool = False,
    configuration: bool = False,
) -> lsp.ClientCapabilities:
    """Return a client's capabilities, none but those that are asked for."""
    return lsp.ClientCapabilities(
        general=lsp.GeneralClientCapabilities(position_encodings=list(encodings) or None),
        text_document=lsp.TextDocumentClientCapabilities(
            inline_completion=lsp.InlineCompletionClientCapabilities() if inline else None,
            completion=lsp.CompletionClientCapabilities(),
        ),
        window=lsp.WindowClientCapabilities(work_done_progress=progress),
        workspace=lsp.WorkspaceClientCapabilities(configuration=configuration),
    )


@dataclass
class Editor:
    """One session. ``statuses``, ``questions`` and ``logs`` hold what the server sent."""

    client: pytest_lsp.LanguageClient
    answer: str | None = None
    statuses: list[dict[str, str]] = field(default_factory=list)
    questions: list[lsp.ShowMessageRequestParams] = field(default_factory=list)
    offered: lsp.ServerCapabilities = field(default_factory=lsp.ServerCapabilities)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _versions: itertools.count[int] = field(default_factory=lambda: itertools.count(2))

    @property
    def process(self) -> asyncio.subprocess.Process:
        """The server's process."""
        assert self.client._server is not None
        return self.client._server

    @property
    def shown(self) -> list[str]:
        """What was shown with ``window/showMessage``."""
        return [message.message for message in self.client.messages]

    @property
    def logs(self) -> list[str]:
        """What was logged with ``window/logMessage``."""
        return [message.message for message in self.client.log_messages]

    async def until(self, state: str, *, count: int = 1) -> dict[str, str]:
        """Wait for the ``count``-th status with a state."""

        def found() -> list[dict[str, str]]:
            return [status for status in self.statuses if status["state"] == state]

        async with self._changed:
            waiting = self._changed.wait_for(lambda: len(found()) >= count)
            await asyncio.wait_for(waiting, ANSWER_TIMEOUT_S)
        return found()[count - 1]

    def open(self, text: str, uri: str = URI, language_id: str = "python") -> None:
        """Open a document."""
        item = lsp.TextDocumentItem(uri, language_id, 1, text)
        self.client.text_document_did_open(lsp.DidOpenTextDocumentParams(item))

    def close(self, uri: str = URI) -> None:
        """Close a document."""
        document = lsp.TextDocumentIdentifier(uri)
        self.client.text_document_did_close(lsp.DidCloseTextDocumentParams(document))

    def edit(self, *edits: tuple[tuple[int, int, int, int], str], uri: str = URI) -> None:
        """Replace ranges, each a start line and character and an end line and character."""
        changes: list[lsp.TextDocumentContentChangeEvent] = [
            lsp.TextDocumentContentChangePartial(
                lsp.Range(lsp.Position(*span[:2]), lsp.Position(*span[2:])), text
            )
            for span, text in edits
        ]
        self._change(uri, changes)

    def replace(self, text: str, uri: str = URI) -> None:
        """Replace a whole document."""
        self._change(uri, [lsp.TextDocumentContentChangeWholeDocument(text)])

    async def ghost(
        self,
        line: int,
        character: int,
        *,
        uri: str = URI,
        invoked: bool = False,
        request_id: str | None = None,
    ) -> list[lsp.InlineCompletionItem]:
        """Ask for inline completions."""
        kind = lsp.InlineCompletionTriggerKind
        params = lsp.InlineCompletionParams(
            lsp.InlineCompletionContext(kind.Invoked if invoked else kind.Automatic),
            lsp.TextDocumentIdentifier(uri),
            lsp.Position(line, character),
        )
        protocol: Any = self.client.protocol  # pygls leaves these methods untyped
        asking = protocol.send_request_async(
            lsp.TEXT_DOCUMENT_INLINE_COMPLETION, params, request_id
        )
        answer = await asyncio.wait_for(asking, ANSWER_TIMEOUT_S)
        assert isinstance(answer, lsp.InlineCompletionList)
        return list(answer.items)

    async def ghost_texts(self, line: int, character: int, **options: Any) -> list[Any]:
        """Ask for inline completions; their texts alone."""
        return [item.insert_text for item in await self.ghost(line, character, **options)]

    async def popup(self, line: int, character: int, uri: str = URI) -> lsp.CompletionList:
        """Ask for a popup's completions."""
        params = lsp.CompletionParams(
            lsp.TextDocumentIdentifier(uri), lsp.Position(line, character)
        )
        answer = await self.client.text_document_completion_async(params)
        assert isinstance(answer, lsp.CompletionList)
        return answer

    async def run(self, command: str, *arguments: Any) -> Any:
        """Run one of the server's commands."""
        params = lsp.ExecuteCommandParams(command, list(arguments))
        return await self.client.workspace_execute_command_async(params)

    async def status(self) -> dict[str, Any]:
        """Run ``fimls.status``."""
        status: dict[str, Any] = await self.run("fimls.status")
        return status

    def configure(self, settings: Any) -> None:
        """Send ``workspace/didChangeConfiguration``."""
        self.client.workspace_did_change_configuration(lsp.DidChangeConfigurationParams(settings))

    def _change(self, uri: str, changes: list[lsp.TextDocumentContentChangeEvent]) -> None:
        document = lsp.VersionedTextDocumentIdentifier(next(self._versions), uri)
        self.client.text_document_did_change(lsp.DidChangeTextDocumentParams(document, changes))

    async def _stop(self) -> None:
        client: Any = self.client
        await client.stop()

    def _register(self) -> None:
        async def on_status(params: Any) -> None:
            async with self._changed:
                self.statuses.append(plain(params))
                self._changed.notify_all()

        def on_question(params: lsp.ShowMessageRequestParams) -> lsp.MessageActionItem | None:
            self.questions.append(params)
            wanted = [
                action
                for action in params.actions or ()
                if self.answer and action.title.startswith(self.answer)
            ]
            return wanted[0] if wanted else None

        self.client.feature("fimls/status")(on_status)
        self.client.feature(lsp.WINDOW_SHOW_MESSAGE_REQUEST)(on_question)


@contextlib.asynccontextmanager
async def editor(
    *options: str,
    client: lsp.ClientCapabilities | None = None,
    initialization_options: Any = None,
    folder: Path | None = None,
    settings: Mapping[str, Any] | None = None,
    answer: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Editor]:
    """Start a server with command-line options, initialize it, and end it as an editor does.

    settings: what the editor answers when it is asked for them. answer: how the button begins that
    is pressed when the server asks something.
    """
    session = Editor(pytest_lsp.make_test_lsp_client(), answer)
    session._register()
    if settings is not None:
        session.client.set_configuration(dict(settings), section="fimls")
    await session.client.start_io(
        *serve_command(*options), cwd=ROOT, env={**os.environ, **(environment or {})}
    )
    folders = [lsp.WorkspaceFolder(folder.as_uri(), folder.name)] if folder else None
    params = lsp.InitializeParams(
        capabilities=client or capabilities(),
        initialization_options=initialization_options,
        workspace_folders=folders,
    )
    try:
        result = await asyncio.wait_for(session.client.initialize_session(params), ANSWER_TIMEOUT_S)
        session.offered = result.capabilities
        yield session
        await asyncio.wait_for(session.client.shutdown_session(), ANSWER_TIMEOUT_S)
    finally:
        if session.process.returncode is None:
            session.process.kill()
        await session._stop()


class RawEditor:
    """A client that may send anything. Starts a server; ``await`` :meth:`start` first."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(cls, *options: str) -> RawEditor:
        """Start a server that nobody has initialized."""
        return cls(
            await asyncio.create_subprocess_exec(
                *serve_command(*options),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                cwd=ROOT,
            )
        )

    async def initialize(self, process_id: int | None = None) -> dict[str, Any]:
        """Go through the handshake and wait until the engine is there."""
        params: dict[str, Any] = {
            "processId": process_id,
            "capabilities": {"textDocument": {"inlineCompletion": {}}},
        }
        answer = await self.ask("initialize", params)
        self.send({"method": "initialized", "params": {}})
        while (await self.read()).get("params", {}).get("state") != "ready":
            pass
        return answer

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        assert self.process.stdin is not None
        self.process.stdin.write(data)

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a well-framed message; ``jsonrpc`` is added."""
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    async def ask(self, method: str, params: Any = None, request_id: int = 1) -> dict[str, Any]:
        """Send a request and return the next message with its id."""
        self.send({"id": request_id, "method": method, "params": params})
        while (answer := await self.read()).get("id") != request_id:
            pass
        return answer

    async def read(self) -> dict[str, Any]:
        """Return the next message."""
        return await asyncio.wait_for(self._read(), ANSWER_TIMEOUT_S)

    async def exit_code(self) -> int:
        """Wait for the process to end."""
        return await asyncio.wait_for(self.process.wait(), ANSWER_TIMEOUT_S)

    def hang_up(self) -> None:
        """Close the server's standard input."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    async def aclose(self) -> None:
        """Kill the server if it still runs."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        self.hang_up()

    async def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        header = await self.process.stdout.readuntil(b"\r\n\r\n")
        length = next(
            int(line.partition(b":")[2])
            for line in header.lower().splitlines()
            if line.startswith(b"content-length:")
        )
        message: dict[str, Any] = json.loads(await self.process.stdout.readexactly(length))
        return message


def plain(value: Any) -> Any:
    """Turn the named tuples that the client library makes of unknown JSON back into it."""
    if hasattr(value, "_asdict"):
        return {name: plain(item) for name, item in value._asdict().items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value
