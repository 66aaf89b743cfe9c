"""What an editor sees of the server: a real client library, a real process, a scripted engine."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import pytest_lsp
from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcRequestCancelled

from tests.clocks import HANG_S, until
from tests.e2e.session import ROOT, URI, capabilities, editor, scripted

RETURN = {"after": "return ", "insert": "a + b"}
OTHER_URI = "file:///project/other.py"

# Each line ends where LSP says a line ends, and holds what others take for a line's end.
TRICKY = (
    "a = '\U0001f600'\r\nb = '\u00e9\f'\n# \u2028 \x0b \x85\rc = '\U0001f600\U0001f600'; return \nd"
)


def units(text: str, encoding: str) -> int:
    """Count code units in a way of its own."""
    sizes = {"utf-8": 1, "utf-16": 2, "utf-32": 4}
    codec = encoding if encoding == "utf-8" else f"{encoding}-le"
    return len(text.encode(codec)) // sizes[encoding]


async def test_ghost_text_has_a_range_and_a_command_that_counts(tmp_path: Path) -> None:
    """An item replaces an empty range at the cursor and, accepted, is counted once."""
    async with editor(*scripted(tmp_path, [RETURN])) as session:
        await session.until("ready")
        session.open("def f(a, b):\n    return \n")
        (item,) = await session.ghost(1, 11)
        cursor = lsp.Position(1, 11)
        assert item.insert_text == "a + b"
        assert item.range == lsp.Range(cursor, cursor)
        assert item.command is not None
        assert item.command.command == "fimls.accepted"
        for _ in range(2):
            await session.run("fimls.accepted", *item.command.arguments or ())
        assert (await session.status())["counts"] == {
            "shown": 0,
            "accepted": 1,
            "partiallyAccepted": 0,
        }


async def test_shown_and_partial_acceptance_are_counted(tmp_path: Path) -> None:
    """The notifications of copilot's wire are taken, an item of somebody else's ignored."""
    async with editor(*scripted(tmp_path, [RETURN])) as session:
        await session.until("ready")
        session.open("return ")
        (item,) = await session.ghost(0, 7)
        assert item.command is not None
        sent = {"insertText": "a", "command": {"arguments": item.command.arguments}}
        notify = session.client.protocol.notify
        notify("textDocument/didShowCompletion", {"item": sent})
        notify("textDocument/didShowCompletion", {"item": {"insertText": "b"}})
        partial = {"item": sent, "acceptedLength": 1}
        notify("textDocument/didPartiallyAcceptCompletion", partial)
        counts = (await session.status())["counts"]
        assert counts == {"shown": 1, "accepted": 0, "partiallyAccepted": 1}


async def test_several_items_only_when_invoked(tmp_path: Path) -> None:
    """Asking explicitly gives as many as the settings say, typing gives one. What somebody asked
    for is there for the editor's own next request too.
    """
    rule = {"after": "x = ", "insert": ["1", "2", "3", "4"]}
    async with editor(*scripted(tmp_path, [rule])) as session:
        await session.until("ready")
        session.open("x = ")
        assert await session.ghost_texts(0, 4) == ["1"]
        assert await session.ghost_texts(0, 4, invoked=True) == ["1", "2", "3"]
        assert await session.ghost_texts(0, 4) == ["1", "2", "3"]


async def test_nothing_to_offer_is_an_empty_list(tmp_path: Path) -> None:
    """Unknown, closed and empty documents, and places outside one, give a list, never null."""
    async with editor(*scripted(tmp_path, [RETURN])) as session:
        await session.until("ready")
        assert await session.ghost(0, 0, uri="untitled:Untitled-1") == []
        session.open("")
        assert await session.ghost(0, 0) == []
        assert await session.ghost(99, 99) == []
        for _ in range(20):
            session.close()
            session.open("return ")
        assert await session.ghost_texts(0, 7) == ["a + b"]
        session.close()
        assert await session.ghost(0, 7) == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
async def test_positions_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    """Astral characters, CRLF, CR, form feed and U+2028 don't move a position."""
    line = "c = '\U0001f600\U0001f600'; return "
    client = capabilities(encodings=["utf-7", encoding, "utf-16"])
    async with editor(*scripted(tmp_path, [RETURN]), client=client) as session:
        await session.until("ready")
        assert session.offered.position_encoding == encoding
        session.open(TRICKY)
        (item,) = await session.ghost(3, units(line, encoding))
        cursor = lsp.Position(3, units(line, encoding))
        assert item.range == lsp.Range(cursor, cursor)


async def test_utf16_where_the_client_says_nothing(tmp_path: Path) -> None:
    """UTF-16 is LSP's default."""
    async with editor(*scripted(tmp_path, [])) as session:
        assert session.offered.position_encoding == "utf-16"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
async def test_edit_sequences_leave_the_same_text(tmp_path: Path, encoding: str) -> None:
    """After 200 random edits the server has the text that a plain string has."""
    text, edits = _edits(random.Random(encoding), TRICKY, 200, encoding)  # noqa: S311 - repeatable
    cursor = _position(text, len(text), encoding)
    rule = {"after": text, "insert": "the same"}
    options = ["--set", "prefix_tokens=16000", *scripted(tmp_path, [rule])]
    async with editor(*options, client=capabilities(encodings=[encoding])) as session:
        await session.until("ready")
        session.open(TRICKY)
        for start in range(0, len(edits), 5):
            session.edit(*edits[start : start + 5])
        assert await session.ghost_texts(*cursor) == ["the same"]
        session.replace("x" + text)
        assert await session.ghost_texts(*_position("x" + text, len(text) + 1, encoding)) == [
            "the same"
        ]


def held_rule(after: str, file: Path) -> dict[str, str]:
    """A rule whose answer is under way when ``file`` is there, and comes when it no longer is."""
    return {"after": after, "insert": "old", "hold": str(file)}


async def test_later_request_supersedes_the_earlier(tmp_path: Path) -> None:
    """The earlier request for a document gets an empty list at once, other documents' go on."""
    first, second = tmp_path / "first", tmp_path / "second"
    rules = [held_rule("slow = ", first), held_rule("other = ", second), RETURN]
    async with editor(*scripted(tmp_path, rules)) as session:
        await session.until("ready")
        session.open("slow = \nreturn ")
        session.open("other = ", OTHER_URI)
        other = asyncio.create_task(session.ghost(0, 8, uri=OTHER_URI))
        earlier = asyncio.create_task(session.ghost(0, 7))
        await until(lambda: first.exists() and second.exists())
        assert await session.ghost_texts(1, 7) == ["a + b"]
        assert await earlier == []
        assert not other.done()
        session.close(OTHER_URI)
        assert await other == []


async def test_cancelled_request_is_answered_at_once(tmp_path: Path) -> None:
    """`$/cancelRequest` gives RequestCancelled, whatever the engine does, and the next request
    works.
    """
    held = tmp_path / "held"
    async with editor(*scripted(tmp_path, [held_rule("slow = ", held), RETURN])) as session:
        await session.until("ready")
        session.open("slow = \nreturn ")
        asking = asyncio.create_task(session.ghost(0, 7, request_id="mine"))
        await until(held.exists)
        session.client.cancel_request(lsp.CancelParams("mine"))
        with pytest.raises(JsonRpcRequestCancelled):
            await asking
        assert await session.ghost_texts(1, 7) == ["a + b"]


async def test_edit_while_generating_withdraws_the_answer(tmp_path: Path) -> None:
    """What was made for an older text would stand in the wrong place."""
    held = tmp_path / "held"
    async with editor(*scripted(tmp_path, [held_rule("x = ", held)])) as session:
        await session.until("ready")
        session.open("x = ")
        asking = asyncio.create_task(session.ghost(0, 4))
        await until(held.exists)
        session.edit(((0, 0, 0, 0), "\n"))
        await session.status()  # the edit is there
        held.unlink()
        assert await asking == []


async def test_popup_for_editors_without_ghost_text(tmp_path: Path) -> None:
    """The same text, replacing the word before the cursor so that popups don't filter it away."""
    rule = {"after": "    retu", "insert": "rn [\n        a,\n    ]"}
    options = [*scripted(tmp_path, [rule]), "--set", "multiline=always"]
    async with editor(*options, client=capabilities(inline=False)) as session:
        assert session.offered.completion_provider is not None
        assert session.offered.inline_completion_provider is None
        await session.until("ready")
        session.open("def f(a):\n    retu")
        answer = await session.popup(1, 8)
        (item,) = answer.items
        assert answer.is_incomplete
        assert item.label == "return [\N{HORIZONTAL ELLIPSIS}"
        assert item.filter_text == "return ["
        assert item.detail == "fimls"
        word = lsp.Range(lsp.Position(1, 4), lsp.Position(1, 8))
        assert item.text_edit == lsp.TextEdit(word, "return [\n        a,\n    ]")
        assert item.command is not None
        assert list((await session.popup(0, 0)).items) == []


async def test_no_popup_beside_ghost_text(tmp_path: Path) -> None:
    """An editor that asked for both at each keystroke would cancel one with the other."""
    async with editor(*scripted(tmp_path, [])) as session:
        assert session.offered.inline_completion_provider == lsp.InlineCompletionOptions()
        assert session.offered.completion_provider is None


async def test_loading_is_shown(tmp_path: Path) -> None:
    """A client with progress bars gets one that begins and ends; statuses come in order."""
    client = capabilities(progress=True)
    async with editor(*scripted(tmp_path, []), client=client) as session:
        await session.until("ready")
        assert [status["state"] for status in session.statuses] == ["loading", "ready"]
        (reports,) = session.client.progress_reports.values()
        kinds = [type(report).__name__ for report in reports]
        assert (kinds[0], kinds[-1]) == ("WorkDoneProgressBegin", "WorkDoneProgressEnd")


async def test_asked_while_loading(tmp_path: Path) -> None:
    """Ghost text comes once the engine is there, unless the text has changed meanwhile."""
    rule = {"after": "return ", "insert": "a + b"}
    async with editor(*scripted(tmp_path, [rule])) as session:
        session.open("return ")
        early = asyncio.create_task(session.ghost_texts(0, 7))
        await asyncio.sleep(0)  # it is sent
        assert session.statuses == []
        assert await early == ["a + b"]
        assert session.statuses[-1]["state"] == "ready"


async def test_status_command(tmp_path: Path) -> None:
    """`fimls.status` tells the state, model, engine and adapter."""
    async with editor(*scripted(tmp_path, []), "--model", "0.5b") as session:
        await session.until("ready")
        status = await session.status()
        del status["counts"]
        assert status.pop("context")["state"] == "off"  # this editor has no workspace
        assert status == {
            "state": "ready",
            "message": "",
            "model": "0.5b",
            "engine": "scripted",
            "adapter": "",
        }


async def test_settings_change_without_a_restart(tmp_path: Path) -> None:
    """Settings of requests count at once; they come under "fimls" or flat."""
    rule = {"after": "return ", "insert": ["a + b"] * 3}
    async with editor(*scripted(tmp_path, [rule])) as session:
        await session.until("ready")
        session.open("return ")
        session.configure({"fimls": {"languages_off": ["python"]}})
        assert await session.ghost_texts(0, 7) == []
        assert await session.ghost_texts(0, 7, invoked=True) == ["a + b"]
        session.configure({"languages_off": ["rust"]})
        assert await session.ghost_texts(0, 7) == ["a + b"]
        assert [status["state"] for status in session.statuses] == ["loading", "ready"]


async def test_another_engine_without_a_restart(tmp_path: Path) -> None:
    """A change of what is run loads another engine, and ids stay unique."""
    first, second = tmp_path / "1", tmp_path / "2"
    for number, folder in enumerate((first, second)):
        folder.mkdir()
        scripted(folder, [{"after": "return ", "insert": f"engine {number}"}])
    options = {"engine": "scripted", "scripted_file": str(first / "script.json")}
    async with editor(initialization_options=options) as session:
        await session.until("ready")
        session.open("return ")
        (old,) = await session.ghost(0, 7)
        session.configure({"scripted_file": str(second / "script.json")})
        await session.until("ready", count=2)
        (new,) = await session.ghost(0, 7)
        assert (old.insert_text, new.insert_text) == ("engine 0", "engine 1")
        assert old.command != new.command


async def test_settings_are_pulled(tmp_path: Path) -> None:
    """A client that can be asked for its settings is asked, now and when it says they changed."""
    client = capabilities(configuration=True)
    settings = {"languages_off": ["python"], "order": None}
    options = scripted(tmp_path, [RETURN])
    async with editor(*options, client=client, settings=settings) as session:
        await session.until("ready")
        session.open("return ")
        assert await session.ghost(0, 7) == []
        session.client.set_configuration({}, section="fimls")
        session.configure(None)
        texts: list[str] = []
        while not texts:  # until the server has asked; the test's own time limit ends it
            texts = await session.ghost_texts(0, 7)
        assert texts == ["a + b"]


async def test_excluded_path(tmp_path: Path) -> None:
    """`exclude` of the workspace's own file counts, relative to the workspace folder."""
    (tmp_path / ".fimls.toml").write_text('exclude = ["secrets/*"]\n', encoding="utf-8")
    secret = (tmp_path / "secrets" / "a b.py").as_uri()
    async with editor(*scripted(tmp_path, [RETURN]), folder=tmp_path) as session:
        await session.until("ready")
        session.open("return ", secret)
        session.open("return ")
        assert await session.ghost(0, 7, uri=secret) == []
        assert await session.ghost_texts(0, 7, uri=URI) == ["a + b"]


async def test_socket(tmp_path: Path) -> None:
    """On a socket the server says where it listens, serves one client, and ends with it."""
    options = [*scripted(tmp_path, [RETURN]), "--tcp", "127.0.0.1:0"]
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "fimls", "serve", *options], cwd=ROOT, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    said = await asyncio.wait_for(process.stderr.readline(), HANG_S)
    port = int(said.rpartition(b":")[2])
    client = pytest_lsp.make_test_lsp_client()
    await client.start_tcp("127.0.0.1", port)
    await client.initialize_session(lsp.InitializeParams(capabilities()))
    await client.shutdown_async(None)
    client.exit(None)
    await process.communicate()
    assert process.returncode == 0
    stopping: Any = client
    await stopping.stop()


def _position(text: str, offset: int, encoding: str) -> tuple[int, int]:
    """Return an offset's position, found with nothing of the server's own."""
    before = text[:offset].replace("\r\n", "\n").replace("\r", "\n")
    line = before.rpartition("\n")[2]
    return before.count("\n"), units(line, encoding)


def _edits(
    generator: random.Random, text: str, count: int, encoding: str
) -> tuple[str, list[tuple[tuple[int, int, int, int], str]]]:
    """Make random edits; return the text they leave, and them."""
    pieces = ["a", "\n", "\r\n", "\r", "\f", "\u2028", "\U0001f600", "\u00e9", "", "def f():\n"]
    edits = []
    for _ in range(count):
        start, end = sorted(generator.randrange(len(text) + 1) for _ in range(2))
        end = min(end, start + generator.randrange(3))
        # No position lies between "\r" and "\n".
        start -= text[start - 1 : start + 1] == "\r\n"
        end -= text[end - 1 : end + 1] == "\r\n" and end > start
        end = max(start, end)
        new = generator.choice(pieces)
        span = (*_position(text, start, encoding), *_position(text, end, encoding))
        edits.append((span, new))
        text = text[:start] + new + text[end:]
    return text, edits
