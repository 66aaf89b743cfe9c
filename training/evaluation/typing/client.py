"""A language server in a process of its own, and the client that talks to it as an editor does.

Not an LSP library: what is timed is the server, so there is as little as possible between its pipe
and the clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from fimls.server.framing import (
    MAX_MESSAGE_BYTES,
    BadMessage,
    Message,
    encode,
    error_response,
    read_message,
)
from fimls.types import EngineError

STATUS_COMMAND, WHY_COMMAND = "fimls.status", "fimls.why"

_METHOD_NOT_FOUND = -32601
_ANSWER_TIMEOUT_S = 60.0
_CLOSE_TIMEOUT_S = 10.0
# Not `-m`: that imports from the current folder first, even from a stranger's repository.
_START = (
    "import sys; sys.path = [path for path in sys.path if path]; sys.argv[0] = 'fimls'; "
    "from fimls.cli import main; main()"
)
_CAPABILITIES: Mapping[str, Any] = {
    "textDocument": {"inlineCompletion": {}, "synchronization": {}},
    "workspace": {"workspaceFolders": True, "didChangeWatchedFiles": {}},
}


class ServerGoneError(EngineError):
    """The server's process ended, or does not answer."""


class RequestFailedError(EngineError):
    """The server answered with an error. code: JSON-RPC's."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


Answer = tuple[Any, float]
"""A result, and when it came (perf_counter, seconds)."""


def server_command(options: Sequence[str]) -> list[str]:
    """Return the command of a server on standard input and output."""
    return [sys.executable, "-c", _START, "serve", "--stdio", *options]


class Client:
    """One session with a server. Leave with :meth:`aclose`, whatever happened."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._stdin, self._stdout = process.stdin, process.stdout
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._state: dict[str, Any] = {}
        self._changed = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        folder: Path | None,
        *,
        environment: Mapping[str, str],
        log: IO[bytes],
    ) -> Client:
        """Start a server and initialize it, with a folder as its workspace; ``log`` gets its log.

        Raises:
            ServerGoneError: it doesn't start.
        """
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env={**os.environ, **environment},
            limit=MAX_MESSAGE_BYTES,
            start_new_session=True,  # an interrupt is ours to handle; the server is told to end
        )
        client = cls(process)
        folders = [] if folder is None else [{"uri": folder.as_uri(), "name": folder.name}]
        params = {
            "processId": os.getpid(),
            "capabilities": _CAPABILITIES,
            "workspaceFolders": folders or None,
        }
        try:
            await client.request("initialize", params)
            client.notify("initialized", {})
        except BaseException:
            await client.aclose()
            raise
        return client

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    async def ready(self, timeout_s: float) -> None:
        """Wait until there is an engine.

        Raises:
            ServerGoneError: it says that there won't be one, or says nothing for too long.
        """
        deadline = time.monotonic() + timeout_s
        while self._state.get("state") != "ready":
            if self._state.get("state") in {"missing", "error"} or self._reading.done():
                message = self._state.get("message") or "the server ended"
                raise ServerGoneError(str(message), hint="`fimls doctor` says what is missing")
            self._changed.clear()
            left_s = deadline - time.monotonic()
            try:
                await asyncio.wait_for(self._changed.wait(), max(left_s, 0.0))
            except asyncio.TimeoutError as error:
                raise ServerGoneError(
                    f"no engine after {timeout_s:.0f} s", hint="`fimls doctor` tries the model"
                ) from error

    def notify(self, method: str, params: Mapping[str, Any]) -> None:
        """Send a notification."""
        self._send({"jsonrpc": "2.0", "method": method, "params": params})

    def ask(self, method: str, params: Mapping[str, Any]) -> tuple[int, asyncio.Future[Answer]]:
        """Send a request; return its id and its answer to come.

        The future raises RequestFailedError or ServerGoneError.
        """
        request_id = next(self._ids)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        # The answer of a superseded request is never read; neither is its failure.
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._waiting[request_id] = answer
        self._send({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})
        if self._reading.done():
            self._give_up()
        return request_id, answer

    async def request(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        timeout_s: float = _ANSWER_TIMEOUT_S,
    ) -> Any:
        """Send a request and wait for its result.

        Raises:
            RequestFailedError: the server refuses it. ServerGoneError: there is no answer.
        """
        _, answer = self.ask(method, params or {})
        await asyncio.wait({answer}, timeout=timeout_s)
        if not answer.done():
            raise ServerGoneError(f"no answer to {method} within {timeout_s:.0f} s")
        return answer.result()[0]

    async def command(self, name: str, *arguments: Any) -> Any:
        """Run one of the server's commands; raises as :meth:`request`."""
        params = {"command": name, "arguments": list(arguments)}
        return await self.request("workspace/executeCommand", params)

    def cancel(self, request_id: int) -> None:
        """Tell the server that an answer isn't wanted any more."""
        self.notify("$/cancelRequest", {"id": request_id})

    async def aclose(self) -> None:
        """End the server as an editor does; kill it if it doesn't end."""
        with contextlib.suppress(ServerGoneError, RequestFailedError):
            await self.request("shutdown", timeout_s=_CLOSE_TIMEOUT_S)
            self.notify("exit", {})
        self._stdin.close()
        ending = asyncio.create_task(self._process.wait())
        await asyncio.wait({ending}, timeout=_CLOSE_TIMEOUT_S)
        if not ending.done():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        await ending
        await self._reading

    def _send(self, message: Message) -> None:
        if not self._stdin.is_closing():
            self._stdin.write(encode(message))

    async def _read(self) -> None:
        while True:
            try:
                message = await read_message(self._stdout)
            except BadMessage:
                continue
            except OSError:
                message = None
            if message is None:
                break
            self._take(message, time.perf_counter())
        self._give_up()
        self._changed.set()

    def _take(self, message: Message, at_s: float) -> None:
        method = message.get("method")
        if method == "fimls/status":
            self._state = message["params"] if isinstance(message["params"], dict) else {}
            self._changed.set()
        elif method is not None and "id" in message:
            error = error_response(message["id"], _METHOD_NOT_FOUND, "this client has none")
            self._send(error)
        elif method is None:
            self._settle(message, at_s)

    def _settle(self, message: Message, at_s: float) -> None:
        waiting = self._waiting.pop(message.get("id"), None)  # type: ignore[arg-type]  # or None
        if waiting is None or waiting.done():
            return
        error = message.get("error")
        if isinstance(error, dict):
            code = int(error.get("code", 0))
            waiting.set_exception(RequestFailedError(code, str(error.get("message"))))
        else:
            waiting.set_result((message.get("result"), at_s))

    def _give_up(self) -> None:
        waiting, self._waiting = list(self._waiting.values()), {}
        for answer in waiting:
            if not answer.done():
                gone = ServerGoneError("the server's process ended")
                answer.set_exception(gone)
