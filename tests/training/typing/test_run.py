"""The run as a whole: what it waits for, and what it gives the server."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fimls.cli.options import parse_assignments
from training.evaluation.repository import read_repository
from training.evaluation.typing import client as client_module
from training.evaluation.typing import run as run_module
from training.evaluation.typing.client import ServerGoneError
from training.evaluation.typing.plan import Plan, make_plan
from training.evaluation.typing.run import Replay, Run, server_options
from training.evaluation.typing.session import Habits

BODY = "    a = value\n    b = a\n    return b\n"


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """One function of one file."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "m.py").write_text(f"def f(value):\n{BODY}")
    return make_plan([read_repository(folder)], functions=1, seed=0)


class Client:
    """A server that answers nothing but its status, one after the other; the last one stays."""

    pid = -1

    def __init__(self, *states: object) -> None:
        self.statuses = [{"state": "ready", "context": state} for state in states]
        self.closed = False

    async def ready(self, timeout_s: float) -> None:
        """At once."""
        del timeout_s

    async def command(self, name: str, *arguments: Any) -> Any:
        """The next status; then the server ends."""
        del arguments
        if name != "fimls.status":
            raise ServerGoneError("gone")
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]

    def ask(self, *_: Any) -> Any:
        """The server is gone."""
        raise ServerGoneError("gone")

    def notify(self, *_: Any) -> None:
        """Ignore it."""

    async def aclose(self) -> None:
        """Note it."""
        self.closed = True


def run(plan: Plan, client: Client, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Replay against a client."""

    async def start(*_: Any, **__: Any) -> Client:
        return client

    monkeypatch.setattr(client_module.Client, "start", start)
    monkeypatch.setattr(run_module, "_POLL_S", 0.001)
    return asyncio.run(Replay(plan, Habits(pace="wait"), []).run(asyncio.Event()))


@pytest.mark.parametrize(
    ("states", "note"),
    [
        ([None], None),
        ([{"state": "off"}], None),
        ([{"folders": [{"index": "indexing"}]}, {"folders": [{"index": "ready"}]}], None),
        ([{"state": "indexing"}, {"state": "failed: disk"}], "failed: disk"),
    ],
)
def test_the_index_is_waited_for(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, states: list[Any], note: str | None
) -> None:
    """Where there is one; that it failed is noted, and typing begins all the same."""
    client = Client(*states)
    found = run(plan, client, monkeypatch)
    assert [f"the context index was not ready: {note}"] * bool(note) == [
        text for text in found.notes if "index" in text
    ]
    assert 1 == len(client.statuses)


def test_a_server_that_ends_leaves_what_was_typed(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The function that was begun has a row, unfinished, and the run has the failure."""
    client = Client(None)
    found = run(plan, client, monkeypatch)
    assert [False] == [row["finished"] for row in found.rows]
    assert "gone" in str(found.failure)
    assert client.closed


def test_settings_reach_the_server_unchanged() -> None:
    """Whatever their type, its command line reads the same values."""
    settings = {
        "engine": "http",
        "deadline_ms": 0,
        "healing": False,
        "exclude": ["*.x"],
        "url": "1",
    }
    options = server_options(settings)
    assert settings == parse_assignments(options[1::2])
    assert {"--set"} == set(options[::2])


def test_a_note_is_kept_once() -> None:
    """However many servers say it."""
    found = Run()
    found.note("a")
    found.note("a")
    assert ["a"] == found.notes
