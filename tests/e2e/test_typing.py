"""Typing against a real server process: storms, several documents, snippets, explanations."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.e2e.session import Editor, editor, plain, scripted

ENDLESS = {"after": "slow = ", "fail": "hang"}
OTHER_URI = "file:///project/other.py"
FAST = {"after": "x = ", "insert": "first(second)"}


async def storm(session: Editor) -> list[asyncio.Task[Any]]:
    """Type 50 keys, each with its request, as VS Code does; return the requests."""
    requests: list[asyncio.Task[Any]] = []
    session.open("slow = \n")
    for key in range(50):
        session.edit(((0, 7 + key, 0, 7 + key), "abcdefghijklmnopqrstuvwxyz"[key % 26]))
        requests.append(asyncio.create_task(session.ghost(0, 8 + key)))
        await asyncio.sleep(0.02)
    return requests


async def test_shutdown_in_a_storm(tmp_path: Path) -> None:
    """In the middle of typing the server answers ``shutdown``, and ends, without waiting for the
    engine, which would never answer.
    """
    rule = {**ENDLESS, "after": ""}
    async with editor(*scripted(tmp_path, [rule])) as session:
        await session.until("ready")
        requests = await storm(session)
        assert not requests[-1].done()
    assert 0 == session.process.returncode
    await asyncio.gather(*requests, return_exceptions=True)


async def test_a_storm_in_one_document_delays_no_other(tmp_path: Path) -> None:
    """While one document's engine work goes on, which is for ever here, another is answered."""
    async with editor(*scripted(tmp_path, [FAST, {**ENDLESS, "after": ""}])) as session:
        await session.until("ready")
        session.open("x = \n", uri=OTHER_URI)
        typing = asyncio.create_task(storm(session))
        assert ["first(second)"] == await session.ghost_texts(0, 4, uri=OTHER_URI)
        requests = await typing
        session.replace("x = \n", uri=OTHER_URI)
        assert ["first(second)"] == await session.ghost_texts(0, 4, uri=OTHER_URI)
        assert not requests[-1].done()
        session.close()
        assert [[]] * len(requests) == await asyncio.gather(*requests)


async def test_opened_and_closed_in_a_hurry(tmp_path: Path) -> None:
    """Opening and closing a document over and over leaves nothing stale behind."""
    async with editor(*scripted(tmp_path, [ENDLESS, FAST])) as session:
        await session.until("ready")
        for _ in range(50):
            session.open("slow = \n")
            asking = asyncio.create_task(session.ghost(0, 7))
            await asyncio.sleep(0)
            session.close()
            assert [] == await asking
        session.open("x = \n")
        assert ["first(second)"] == await session.ghost_texts(0, 4)


async def test_typing_along_is_answered_without_the_engine(tmp_path: Path) -> None:
    """``fimls.why`` tells for each request what it was answered from, and what it cost."""
    async with editor(*scripted(tmp_path, [FAST])) as session:
        await session.until("ready")
        session.open("x = \n")
        await session.ghost(0, 4)
        session.edit(((0, 4, 0, 4), "f"))
        assert ["irst(second)"] == await session.ghost_texts(0, 5)
        explained = plain(await session.run("fimls.why", {"since": 0}))
        assert ["engine", "cache"] == [one["answered_by"] for one in explained]
        assert explained[0]["prompt"]["tokens"] > 0
        (last,) = plain(await session.run("fimls.why"))
        assert explained[1]["id"] == last["id"]


async def test_snippets_of_a_workspace(tmp_path: Path) -> None:
    """What a file imports stands in its prompt; a secrets file is never completed."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "tools.py").write_text("def helper(first, second): ...\n", encoding="utf-8")
    main = project / "main.py"
    main.write_text("from tools import helper\n\nx = \n", encoding="utf-8")
    (project / ".env").write_text("x = \n", encoding="utf-8")
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "XDG_STATE_HOME": str(tmp_path / "state")}
    async with editor(*scripted(tmp_path, [FAST]), folder=project, environment=cache) as session:
        await session.until("ready")
        while (await session.status())["context"]["folders"][0]["index"] == "indexing":
            pass
        session.open(main.read_text(encoding="utf-8"), uri=main.as_uri())
        # Asked for: typing has less patience with the workspace's snippets.
        assert await session.ghost(2, 4, uri=main.as_uri(), invoked=True)
        (explained,) = plain(await session.run("fimls.why"))
        assert ["tools.py"] == [one["path"] for one in explained["snippets"]]
        assert "def helper(first, second)" in explained["snippets"][0]["text"]
        secret = (project / ".env").as_uri()
        session.open("x = \n", uri=secret, language_id="dotenv")
        assert [] == await session.ghost(0, 4, uri=secret, invoked=True)
        (refused,) = plain(await session.run("fimls.why"))
        assert refused["suppressed"]
        assert None is refused["prompt"]
