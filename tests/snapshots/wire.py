"""An editor that speaks raw JSON-RPC with ``fimls serve --stdio``, one message at a time."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from tests.snapshots.stored import PATIENT, ROOT, environment


class Wire:
    """The raw protocol. ``said`` holds requests and answers, ``unasked`` the server's own words."""

    def __init__(self, sent: IO[bytes], received: IO[bytes], uri: str) -> None:
        self.said: list[str] = []
        self.unasked: list[str] = []
        self._sent, self._received, self._uri = sent, received, uri
        self._version = 1
        self._id = 0

    def write(self, message: Mapping[str, Any]) -> None:
        """Send a message and record it."""
        body = json.dumps({"jsonrpc": "2.0", **message}, ensure_ascii=False)
        self.said.append(f"> {body}")
        self.write_body(body.encode())

    def write_body(self, body: bytes) -> None:
        """Send bytes in a frame."""
        self._sent.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self._sent.flush()

    def read(self) -> dict[str, Any] | None:
        """Receive a message and record it; None at the end."""
        header = self._received.readline()
        if not header:
            return None
        while (line := self._received.readline()) != b"\r\n":
            header += line
        (length,) = re.findall(rb"Content-Length: (\d+)\r\n", header)
        body = self._received.read(int(length)).decode()
        message: dict[str, Any] = json.loads(body)
        (self.unasked if "method" in message else self.said).append(f"< {body}")
        return message

    def notify(self, method: str, **params: Any) -> None:
        """Send a notification."""
        self.write({"method": method, "params": params})

    def ask(self, method: str, *, cancel: bool = False, **params: Any) -> Any:
        """Send a request, give it up at once if ``cancel``; return its result or its error."""
        self._id += 1
        self.write({"id": self._id, "method": method, "params": params})
        if cancel:
            self.notify("$/cancelRequest", id=self._id)
        return self.answer(self._id)

    def answer(self, request_id: int | None) -> Any:
        """Read until the answer to a request."""
        while (message := self.read()) is not None:
            if "method" not in message and message["id"] == request_id:
                return message.get("result", message.get("error"))
        raise EOFError("the server ended without an answer")

    def until(self, state: str) -> None:
        """Read until the server says that it is in a state."""
        while (message := self.read()) is not None:
            if message.get("params", {}).get("state") == state:
                return
        raise EOFError(f"the server ended before it was {state}")

    def initialize(self, **params: Any) -> None:
        """Go through the handshake until the engine is there."""
        capabilities: dict[str, Any] = {"textDocument": {"inlineCompletion": {}}}
        self.ask("initialize", processId=None, capabilities=capabilities, **params)
        self.notify("initialized")
        self.until("ready")

    def open(self, language_id: str, text: str) -> None:
        """Open the document."""
        document = {"uri": self._uri, "languageId": language_id, "version": 1, "text": text}
        self.notify("textDocument/didOpen", textDocument=document)

    def change(self, line: int, character: int, text: str, *, removed: int = 0) -> None:
        """Type ``text`` in the place of the ``removed`` characters from there on."""
        self._version += 1
        span = {
            "start": {"line": line, "character": character},
            "end": {"line": line, "character": character + removed},
        }
        self.notify(
            "textDocument/didChange",
            textDocument={"uri": self._uri, "version": self._version},
            contentChanges=[{"range": span, "text": text}],
        )

    def ghost(self, line: int, character: int, *, invoked: bool = False) -> Any:
        """Ask for ghost text; return the items, once nothing is generated any more."""
        answer = self.ask(
            "textDocument/inlineCompletion",
            context={"triggerKind": 1 if invoked else 2},
            **self.place(line, character),
        )
        self._settle()
        return answer.get("items", answer)

    def place(self, line: int, character: int) -> dict[str, Any]:
        """A position in the document, as parameters."""
        return {
            "textDocument": {"uri": self._uri},
            "position": {"line": line, "character": character},
        }

    def run(self, command: str, *arguments: Any) -> Any:
        """Run one of the server's commands."""
        return self.ask("workspace/executeCommand", command=command, arguments=list(arguments))

    def run_unrecorded(self, command: str, *arguments: Any) -> Any:
        """Run a command that isn't part of the record: how often it is asked is up to the clock."""
        said, request_id = len(self.said), self._id
        answer = self.run(command, *arguments)
        del self.said[said:]
        self._id = request_id
        return answer

    def _settle(self) -> None:
        """Wait until the engine has ended: its time, which is told, then stands still.

        What goes on behind a line that is shown would otherwise reach as far as the clock lets it.
        """
        before = None
        while (now := self._engine_ms()) != before:
            before = now

    def _engine_ms(self) -> float | None:
        explained = self.run_unrecorded("fimls.why")
        stages = explained[-1]["stages_ms"] if explained else {}
        engine_ms: float | None = stages.get("engine")
        return engine_ms


@contextmanager
def served(
    folder: Path, rules: list[dict[str, Any]], uri: str
) -> Iterator[tuple[Wire, subprocess.Popen[bytes]]]:
    """Start a server that nobody has initialized and that plays a script; end it, if need be."""
    script = folder / "script.json"
    script.write_text(json.dumps(rules), encoding="utf-8")
    engine = ["--engine", "scripted", "--set", f"scripted_file={script}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "fimls", "serve", "--stdio", *engine, *PATIENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=environment(folder),
    )
    with process:
        sent, received = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
        try:
            yield Wire(sent, received, uri), process
        finally:
            process.kill()
