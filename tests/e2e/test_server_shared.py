"""One server for several editors: shared, left, killed, replaced."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clocks import until
from tests.e2e.session import Editor, RawEditor, editor, scripted
from tests.shared_servers import shared_servers

RETURN = {"after": "return ", "insert": "a + b"}
TEXT = "def add(a, b):\n    return "


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where sockets are, in a folder with a name short enough for them."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        monkeypatch.setenv("XDG_STATE_HOME", f"{folder}/state")
        yield Path(folder)
        for process_id in shared_servers(Path(folder)):
            os.kill(process_id, signal.SIGKILL)


def sockets(runtime: Path) -> list[Path]:
    """Where an editor would find a server."""
    return list(runtime.glob("fimls/*.sock"))


def mode(path: Path) -> int:
    """Who may do what with a file."""
    return path.stat().st_mode & 0o777


def read(path: Path) -> str:
    """A file's text."""
    return path.read_text(encoding="utf-8")


async def gone(runtime: Path) -> None:
    """Wait until no server is left."""
    await until(lambda: not shared_servers(runtime))


async def completes(session: Editor) -> None:
    """The session answers with the script's text."""
    await session.until("ready")
    session.open(TEXT)
    assert await session.ghost_texts(1, 11) == ["a + b"]


async def test_two_editors_share_a_server(runtime: Path, tmp_path: Path) -> None:
    """One process serves both, each its own documents; it ends with the last of them."""
    options = ("--shared", *scripted(tmp_path, [RETURN]))
    async with editor(*options) as one:
        await completes(one)
        (server,) = shared_servers(runtime)
        async with editor(*options) as other:
            await other.until("ready")
            assert await other.ghost_texts(1, 11) == []  # the first one's document
            await completes(other)
            assert [server] == shared_servers(runtime)
        one.replace(TEXT + "\n")
        assert await one.ghost_texts(1, 11) == ["a + b"]
    await gone(runtime)
    assert [] == sockets(runtime)


async def test_other_settings_are_another_server(runtime: Path, tmp_path: Path) -> None:
    """What the command line sets holds for a whole server."""
    options = ("--shared", *scripted(tmp_path, [RETURN]))
    async with editor(*options), editor(*options, "--set", "candidates=2"):
        assert len(shared_servers(runtime)) == 2


async def test_exit_codes(runtime: Path, tmp_path: Path) -> None:
    """0 after shutdown and exit, 1 without; a session that ends so takes no other with it."""
    options = ("--shared", *scripted(tmp_path, [RETURN]))
    async with editor(*options) as other:
        polite, rude = await RawEditor.start(*options), await RawEditor.start(*options)
        await polite.initialize()
        await rude.initialize()
        await polite.ask("shutdown")
        polite.send({"method": "exit"})
        rude.hang_up()
        assert (0, 1) == (await polite.exit_code(), await rude.exit_code())
        await completes(other)
        assert len(shared_servers(runtime)) == 1


async def test_a_killed_editor_leaves_its_session(runtime: Path, tmp_path: Path) -> None:
    """Nothing of it stays, the last one's server included."""
    alone = await RawEditor.start("--shared", *scripted(tmp_path, [RETURN]))
    await alone.initialize()
    await alone.aclose()
    await gone(runtime)


async def test_a_killed_server(runtime: Path, tmp_path: Path) -> None:
    """Its editors see a crash; the socket that it left behind is no hindrance to the next."""
    options = ("--shared", *scripted(tmp_path, [RETURN]))
    one = await RawEditor.start(*options)
    await one.initialize()
    (server,) = shared_servers(runtime)
    os.kill(server, signal.SIGKILL)
    assert 1 == await one.exit_code()
    assert sockets(runtime)
    async with editor(*options) as other:
        await completes(other)


async def test_a_replaced_server(runtime: Path, tmp_path: Path) -> None:
    """Who uses it keeps it; who comes later gets the new one, also after its end."""
    options = ("--shared", *scripted(tmp_path, [RETURN]))
    async with editor(*options) as late:
        async with editor(*options) as early, editor("--replace", *options) as fresh:
            await completes(fresh)
            await completes(early)
            assert len(shared_servers(runtime)) == 2
            async with editor(*options) as third:
                await completes(third)
            assert len(shared_servers(runtime)) == 2
        await completes(late)
    await gone(runtime)
    assert [] == sockets(runtime)


async def test_two_starts_at_once(runtime: Path, tmp_path: Path) -> None:
    """Windows that a session restores start together; they get one server."""
    options = ("--shared", *scripted(tmp_path, [RETURN]))
    started = await asyncio.gather(*(RawEditor.start(*options) for _ in range(4)))
    await asyncio.gather(*(one.initialize() for one in started))
    assert len(shared_servers(runtime)) == 1
    await asyncio.gather(*(one.aclose() for one in started))
    await gone(runtime)


async def test_the_log(runtime: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Editors are told where it is; it is its owner's alone and holds no code."""
    options = ("--shared", *scripted(tmp_path, [RETURN]), "--set", "log_level=debug")
    async with editor(*options) as session:
        await completes(session)
        log = Path((await session.status())["log"])
        assert str(log) == (await session.until("ready"))["log"]
    await gone(runtime)
    assert log.is_relative_to(runtime / "state")
    assert [0o600, 0o700] == [mode(log), mode(log.parent)]
    written = read(log)
    assert "answered by engine; flight 1 from offset 26" in written
    assert "a + b" not in written
    assert "def add" not in written
    assert f"logs to {log}" in capfd.readouterr().err


async def test_no_folder_for_sockets(
    runtime: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Then the process serves by itself, and says so."""
    (runtime / "fimls").write_text("a file is in the way")
    async with editor("--shared", *scripted(tmp_path, [RETURN])) as session:
        await completes(session)
        assert [] == shared_servers(runtime)
    assert "no server is shared" in capfd.readouterr().err
