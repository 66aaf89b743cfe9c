"""The editor's side of the wire, against servers of a few lines."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from training.evaluation.typing.client import (
    Client,
    RequestFailedError,
    ServerGoneError,
    server_command,
)

# Answers `initialize`, then tells a state, then does what the test says with each message.
SERVER = """
import json, sys, time

def send(**message):
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    sys.stdout.buffer.write(b"Content-Length: %d\\r\\n\\r\\n" % len(body) + body)
    sys.stdout.buffer.flush()

def messages():
    while header := sys.stdin.buffer.readline():
        sys.stdin.buffer.readline()
        yield json.loads(sys.stdin.buffer.read(int(header.split()[-1])))

for message in messages():
    method, number = message.get("method"), message.get("id")
    if method == "initialize":
        send(id=number, result={})
    elif method == "initialized":
        send(method="fimls/status", params={"state": "STATE", "message": "why"})
    elif method == "shutdown":
        send(id=number, result=None)
    elif method == "exit":
        break
    elif method == "die":
        sys.exit(3)
    elif method == "refuse":
        send(id=number, error={"code": -32601, "message": "no"})
    elif method == "echo":
        send(id=number, result=message["params"])
    elif method == "question":
        asked_by = number
        send(id="s1", method="workspace/configuration", params={})
    elif number == "s1":
        send(id=asked_by, result=message["error"]["code"])
"""


@contextlib.asynccontextmanager
async def session(folder: Path, state: str = "ready") -> AsyncIterator[Client]:
    """Start the small server as a client's."""
    command = [sys.executable, "-c", SERVER.replace("STATE", state)]
    with (folder / "log").open("wb") as log:
        client = await Client.start(command, folder, environment={}, log=log)
        try:
            yield client
        finally:
            await client.aclose()


async def test_requests_are_answered(tmp_path: Path) -> None:
    """Each by its id; an error is an exception with its code."""
    async with session(tmp_path) as client:
        await client.ready(60)
        asked = [client.ask("echo", {"number": number})[1] for number in (1, 2)]
        assert [{"number": 1}, {"number": 2}] == [(await answer)[0] for answer in asked]
        with pytest.raises(RequestFailedError) as failed:
            await client.request("refuse")
        assert -32601 == failed.value.code


async def test_the_servers_questions_are_refused(tmp_path: Path) -> None:
    """It would wait for ever otherwise."""
    async with session(tmp_path) as client:
        assert -32601 == await client.request("question")


async def test_a_server_that_ends_fails_every_request(tmp_path: Path) -> None:
    """Those under way, and those that come later."""
    async with session(tmp_path) as client:
        for _ in range(2):
            with pytest.raises(ServerGoneError, match="ended"):
                await client.request("die")


async def test_no_engine_is_said_with_its_reason(tmp_path: Path) -> None:
    """A missing model isn't waited for."""
    async with session(tmp_path, state="missing") as client:
        with pytest.raises(ServerGoneError, match="why"):
            await client.ready(60)


async def test_an_answer_that_does_not_come_is_an_error(tmp_path: Path) -> None:
    """After the time that the caller gives it."""
    async with session(tmp_path) as client:
        with pytest.raises(ServerGoneError, match="no answer to silence"):
            await client.request("silence", timeout_s=0.05)


def test_the_folder_one_stands_in_is_not_imported_from(tmp_path: Path) -> None:
    """A repository with a module of the name of ours or Python's own starts the same server."""
    for name in ("fimls", "typer", "json"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(9)\n")
    root = str(Path(__file__).parents[3])
    environment = {**os.environ, "PYTHONPATH": root}
    done = subprocess.run(
        [*server_command([]), "--help"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
