"""What goes wrong around the server: clients, engines, models and settings that fail."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.clocks import HANG_S, until
from tests.e2e.session import ROOT, RawEditor, capabilities, editor, scripted, serve_command

RETURN = {"after": "return ", "insert": "a + b"}
# Nobody listens on the discard port, so every download fails at once and nothing leaves.
OFFLINE = {
    "HF_ENDPOINT": "http://127.0.0.1:9",
    "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
    "PIP_RETRIES": "0",
    "PIP_CONFIG_FILE": "/dev/null",
}


@pytest.fixture
async def raw(tmp_path: Path) -> AsyncIterator[RawEditor]:
    """A raw client and its server, which nobody has initialized."""
    client = await RawEditor.start(*scripted(tmp_path, [RETURN]))
    yield client
    await client.aclose()


async def test_before_initialize(raw: RawEditor) -> None:
    """Requests are refused, notifications dropped, and ``initialize`` still works."""
    raw.write(b"Content-Length: 5\r\n\r\n{]{]{")
    assert (await raw.read())["error"]["code"] == -32700
    answer = await raw.ask("textDocument/inlineCompletion", {}, 7)
    assert answer["error"]["code"] == -32002
    raw.send({"method": "textDocument/didOpen", "params": {}})
    answer = await raw.ask("initialize", {"processId": None})
    assert answer["error"]["code"] == -32602
    answer = await raw.initialize()
    assert answer["result"]["serverInfo"]["name"] == "fimls"


async def test_malformed_messages(raw: RawEditor) -> None:
    """Each is answered with JSON-RPC's error, and the server lives on."""
    await raw.initialize()
    not_json, array = b"{nope", b"[1, 2]"
    for data, request_id, code in [
        (b"Content-Length: %d\r\n\r\n%b" % (len(not_json), not_json), None, -32700),
        (b"Content-Length: 2\r\n\r\n\xff\xfe", None, -32700),
        (b"Content-Length: %d\r\n\r\n%b" % (len(array), array), None, -32600),
        (b"Content-Type: x\r\n\r\n", None, -32700),
        (b"Content-Length: -3\r\n\r\n", None, -32700),
    ]:
        raw.write(data)
        answer = await raw.read()
        assert (answer["id"], answer["error"]["code"]) == (request_id, code)
    # A body that no header announced swallows nothing of the next message.
    raw.write(b'{"jsonrpc": "2.0", "id": 1, "method": "fimls/lost"}')
    requests: list[tuple[str, Any, int]] = [
        ("initialize", {"capabilities": {}}, -32600),
        ("fimls/unknown", None, -32601),
        ("textDocument/inlineCompletion", {"position": "here"}, -32602),
        ("workspace/executeCommand", {"command": "fimls.unknown"}, -32602),
        ("workspace/executeCommand", {"command": "fimls.status", "arguments": [1]}, -32602),
    ]
    for method, params, code in requests:
        answer = await raw.ask(method, params)
        assert answer["error"]["code"] == code, method
    for nonsense in (
        {"id": "nobody asked", "result": 1},
        {"method": "textDocument/didOpen", "params": {"textDocument": 3}},
        {"method": "textDocument/didShowCompletion", "params": [1]},
        {"method": "$/unknown"},
    ):
        raw.send(nonsense)
    answer = await raw.ask("workspace/executeCommand", {"command": "fimls.status"})
    assert answer["result"]["state"] == "ready"


async def test_shutdown_and_exit(raw: RawEditor) -> None:
    """After ``shutdown`` requests are refused; ``exit`` then ends the process with code 0."""
    await raw.initialize()
    assert (await raw.ask("shutdown"))["result"] is None
    assert (await raw.ask("shutdown"))["error"]["code"] == -32600
    raw.send({"method": "exit"})
    assert await raw.exit_code() == 0


async def test_exit_without_shutdown(raw: RawEditor) -> None:
    """``exit`` alone ends the process with code 1 (LSP)."""
    await raw.initialize()
    raw.send({"method": "exit"})
    assert await raw.exit_code() == 1


async def test_standard_input_closes(raw: RawEditor) -> None:
    """A client that hangs up, be it in the middle of a message, ends the process."""
    await raw.initialize()
    raw.write(b"Content-Length: 100\r\n\r\n{")
    raw.hang_up()
    assert await raw.exit_code() == 1


async def test_hang_up_before_initialize(raw: RawEditor) -> None:
    """A client that leaves at once ends the process too."""
    raw.hang_up()
    assert await raw.exit_code() == 1


async def test_editor_dies(raw: RawEditor) -> None:
    """The process ends with the editor's, though standard input stays open."""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "input()", stdin=subprocess.PIPE
    )
    await raw.initialize(parent.pid)
    parent.kill()
    await parent.wait()
    assert await raw.exit_code() == 1


async def test_engine_raises(tmp_path: Path) -> None:
    """A failed request gives nothing and one log line without code; the next one works."""
    rules = [{"after": "secret = ", "fail": "raise"}, RETURN]
    async with editor(*scripted(tmp_path, rules)) as session:
        await session.until("ready")
        session.open("secret = \nreturn ")
        for _ in range(2):
            assert await session.ghost(0, 9) == []
        assert await session.ghost_texts(1, 7) == ["a + b"]
        assert session.logs == ["the script says: fail"]
        assert (await session.status())["state"] == "ready"


async def test_engine_dies(tmp_path: Path) -> None:
    """A dead engine is told once, the server lives, and other settings bring another engine."""
    rules = [{"after": "die ", "fail": "die"}, RETURN]
    options = {"engine": "scripted", "scripted_file": str(tmp_path / "script.json")}
    scripted(tmp_path, rules)
    async with editor(initialization_options=options) as session:
        await session.until("ready")
        session.open("die \nreturn ")
        assert await session.ghost(0, 4) == []
        status = await session.until("error")
        assert status["message"] == "the script says: die; restart the engine"
        assert await session.ghost(1, 7) == []
        assert session.shown == [f"fimls: {status['message']}"]
        other = tmp_path / "other"
        other.mkdir()
        scripted(other, [RETURN])
        session.configure({"scripted_file": str(other / "script.json")})
        await session.until("ready", count=2)
        assert await session.ghost_texts(1, 7) == ["a + b"]


async def test_engine_hangs(tmp_path: Path) -> None:
    """A hanging engine costs a request its deadline, and the next one is served."""
    rules = [{"after": "hang ", "insert": "x", "fail": "hang"}, RETURN]
    impatient = ("--set", "deadline_ms=100")
    async with editor(*scripted(tmp_path, rules), *impatient) as session:
        await session.until("ready")
        session.open("hang \nreturn ")
        for _ in range(2):
            assert await session.ghost(0, 5, invoked=True) == []
        assert ["did not answer"] == [log[11:25] for log in session.logs]
        assert (await session.status())["state"] == "ready"


async def test_shutdown_while_the_engine_hangs(tmp_path: Path) -> None:
    """A hanging engine doesn't delay shutdown or exit: they don't wait for its deadline."""
    held = tmp_path / "held"
    rules = [{"after": "hang ", "insert": "x", "hold": str(held)}]
    options = [*scripted(tmp_path, rules), "--set", "deadline_ms=0"]
    async with editor(*options) as session:
        await session.until("ready")
        session.open("hang \n")
        asking = asyncio.create_task(session.ghost(0, 5))
        await until(held.exists)
        await asyncio.wait_for(session.client.shutdown_async(None), HANG_S)
        session.client.exit(None)
        assert await asyncio.wait_for(session.process.wait(), HANG_S) == 0
        assert held.exists()
        await asyncio.gather(asking, return_exceptions=True)
        session.client.capabilities = None  # already shut down


async def test_missing_model_is_never_fetched_unasked(empty_home: Path) -> None:
    """It is asked for, with its size; "Not now" leaves the store empty, and nothing completes."""
    async with editor(answer="Not now", environment=OFFLINE) as session:
        status = await session.until("missing")
        session.open("return ")
        assert await session.ghost(0, 7) == []
        assert status["engine"] == "openvino"
        (question,) = session.questions
        titles = [action.title for action in question.actions or ()]
        assert titles == ["Download (491 MB)", "Not now"]
        assert _files(empty_home) == []
        assert (await session.status())["state"] == "missing"


async def test_download_fails(empty_home: Path) -> None:
    """The download button fetches; where that fails, it says so, and `fimls.pull` may try again."""
    async with editor(
        answer="Download", environment=OFFLINE, client=capabilities(progress=True)
    ) as session:
        await session.until("missing", count=2)
        assert len(session.questions) == 1
        assert (await session.run("fimls.pull"))["state"] == "missing"
        assert len(session.shown) == 2
        assert [status["state"] for status in session.statuses] == [
            "loading",
            "missing",
            "loading",
            "missing",
            "loading",
            "missing",
        ]


async def test_stuck_download(empty_home: Path) -> None:
    """A download from a host that never answers doesn't outlive the editor."""
    connected = asyncio.Event()
    writers = []

    def swallow(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        connected.set()

    async with await asyncio.start_server(swallow, "127.0.0.1", 0) as host:
        port = host.sockets[0].getsockname()[1]
        silent = {**OFFLINE, "HF_ENDPOINT": f"http://127.0.0.1:{port}"}
        async with editor(answer="Download", environment=silent) as session:
            await asyncio.wait_for(connected.wait(), HANG_S)
            await session.client.shutdown_async(None)
            session.client.exit(None)
            assert await asyncio.wait_for(session.process.wait(), HANG_S) == 0
            session.client.capabilities = None  # already shut down
        for writer in writers:
            writer.close()


async def test_wrong_command_line() -> None:
    """It is explained on standard error before anything is said on standard output."""
    process = await asyncio.create_subprocess_exec(
        *serve_command("--set", "candidats=2"),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert (process.returncode, out) == (1, b"")
    assert b"'candidates'" in err


async def test_unknown_model(tmp_path: Path) -> None:
    """It is shown with the nearest name, and other settings mend it."""
    options = {"model": "smollm2-135", "scripted_file": scripted(tmp_path, [RETURN])[-1][14:]}
    async with editor(initialization_options=options) as session:
        status = await session.until("error")
        assert "smollm2-135" in status["message"]
        assert (await session.status())["message"] == status["message"]
        assert session.shown == [f"fimls: {status['message']}"]
        session.configure({"engine": "scripted"})
        await session.until("ready")
        session.open("return ")
        assert await session.ghost_texts(0, 7) == ["a + b"]


async def test_bad_settings(tmp_path: Path) -> None:
    """An unknown setting is shown with the nearest, and the earlier settings stay."""
    rule = {"after": "x = ", "insert": ["1", "2", "3"]}
    options = scripted(tmp_path, [rule])
    async with editor(*options, initialization_options={"candidats": 1}) as session:
        await session.until("ready")
        session.configure({"fimls": {"candidates": 2}})
        session.configure({"fimls": {"candidates": "many"}})
        session.configure({"fimls": [1]})
        session.open("x = ")
        assert await session.ghost_texts(0, 4, invoked=True) == ["1", "2"]
        unknown, wrong, no_object = session.shown
        assert "unknown setting 'candidats'; the nearest is 'candidates'" in unknown
        assert "'candidates' must be a whole number" in wrong
        assert "expected an object, got list" in no_object


async def test_bad_workspace_file_keeps_the_editors_settings(tmp_path: Path) -> None:
    """A repository's broken file is reported and left out; the rest counts."""
    (tmp_path / ".fimls.toml").write_text('model = "theirs"\n', encoding="utf-8")
    options = {"candidates": 1}
    rule = {"after": "x = ", "insert": ["1", "2", "3"]}
    async with editor(
        *scripted(tmp_path, [rule]), initialization_options=options, folder=tmp_path
    ) as session:
        await session.until("ready")
        session.open("x = ")
        assert await session.ghost_texts(0, 4, invoked=True) == ["1"]
        (shown,) = session.shown
        assert "a workspace may not set 'model'" in shown


def _files(folder: Path) -> list[Path]:
    """Return every file with something in it: a lock has nothing."""
    return [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size]


async def test_oversized_document(tmp_path: Path) -> None:
    """It is ignored with a reason, also when it grows too large, until it is small again."""
    async with editor(*scripted(tmp_path, [RETURN])) as session:
        await session.until("ready")
        session.open("return " + "x" * 2_000_001)
        assert await session.ghost(0, 7) == []
        session.open("return ")
        assert await session.ghost_texts(0, 7) == ["a + b"]
        session.edit(((0, 0, 0, 0), "\u00e9" * 1_000_000))
        assert await session.ghost(0, 7) == []
        assert [log.partition(";")[0] for log in session.logs] == [
            "module.py is ignored: 2,000,008 bytes, at most 2,000,000",
            "module.py is ignored: 2,000,007 bytes, at most 2,000,000",
        ]


async def test_no_code_in_the_logs(tmp_path: Path) -> None:
    """Neither standard error nor the editor's log holds what is in a document."""
    rules = [{"after": "hunter2 = ", "fail": "raise"}]
    raw = await asyncio.create_subprocess_exec(
        *serve_command(*scripted(tmp_path, rules)),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    client = RawEditor(raw)
    await client.initialize()
    document = {"uri": "file:///a.py", "languageId": "python", "version": 1, "text": "hunter2 = "}
    client.send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
    # The same with a fault that makes it malformed.
    bad = {**document, "version": "one"}
    client.send({"method": "textDocument/didOpen", "params": {"textDocument": bad}})
    params = {
        "textDocument": {"uri": "file:///a.py"},
        "position": {"line": 0, "character": 10},
        "context": {"triggerKind": 2},
    }
    answer = await client.ask("textDocument/inlineCompletion", params, 2)
    assert answer["result"] == {"items": []}
    client.send({"id": 3, "method": "shutdown"})
    client.send({"method": "exit"})
    out, err = await asyncio.wait_for(raw.communicate(), HANG_S)
    assert b"the script says: fail" in err
    assert b"hunter2" not in out + err
