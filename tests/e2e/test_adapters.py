"""Switching adapters in a running server: no restart, and nothing is lost on the way."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fimls.store.adapters import AdapterRegistry
from tests.clocks import until
from tests.e2e.session import editor, scripted
from tests.unit.store.test_adapters import adapter

RETURN = {"after": "return ", "insert": "a + b"}


async def test_another_adapter_by_settings(tmp_path: Path) -> None:
    """The new engine takes over when it is ready; a request under way ends on the old one."""
    (tmp_path / "mine").mkdir()
    held = tmp_path / "held"
    slow_rule = {"after": "slow = ", "insert": "x" * 20, "hold": str(held)}
    async with editor(*scripted(tmp_path, [RETURN, slow_rule])) as session:
        assert "" == (await session.until("ready"))["adapter"]
        session.open("slow = ")
        slow = asyncio.create_task(session.ghost_texts(0, 7, invoked=True))
        await until(held.exists)
        session.configure({"adapter": str(tmp_path / "mine")})
        assert str(tmp_path / "mine") == (await session.until("ready", count=2))["adapter"]
        assert not slow.done()
        held.unlink()
        assert ["x" * 20] == await slow
        session.replace("return ")
        assert ["a + b"] == await session.ghost_texts(0, 7)


async def test_an_adapter_that_is_not_there(tmp_path: Path) -> None:
    """It is an error that is shown; the engine before it goes on completing."""
    async with editor(*scripted(tmp_path, [RETURN])) as session:
        await session.until("ready")
        session.configure({"adapter": "nobody"})
        assert "no adapter 'nobody'" in (await session.until("error"))["message"]
        session.open("return ")
        assert ["a + b"] == await session.ghost_texts(0, 7)


async def test_reload(tmp_path: Path) -> None:
    """``fimls.reload`` loads what the settings name once more: a folder written anew, say."""
    async with editor(*scripted(tmp_path, [RETURN])) as session:
        await session.until("ready")
        await session.run("fimls.reload")
        await session.until("ready", count=2)


async def test_what_there_is_to_choose_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An editor's menu gets the registered names, and which one is promoted."""
    monkeypatch.setenv("FIMLS_HOME", str(tmp_path / "home"))
    registry = AdapterRegistry()
    registry.add(adapter(tmp_path / "mine"))
    registry.add(adapter(tmp_path / "other"))
    registry.promote("other")
    async with editor(*scripted(tmp_path, [RETURN])) as session:
        await session.until("ready")
        found = await session.run("fimls.adapters")
    own = [one["name"] for one in found if "comes with fimls" in one["note"]]
    assert [*own, "mine", "other"] == [one["name"] for one in found]
    assert ["other"] == [
        one["name"] for one in found if "promoted" in one["note"] and one["name"] not in own
    ]
