"""`fimls bench keystrokes` against the real server, with the scripted engine."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.clocks import HANG_S, until
from tests.e2e.session import PATIENT, ROOT, Script, scripted

MODULE = """\
from project_names import tax


def total(prices, rate):
    \"\"\"Add up.\"\"\"
    subtotal = sum(prices)
    if not subtotal:
        return 0
    return subtotal * rate


def taxed(value):
    rate = tax(value)
    value = value * rate
    return value
"""
NAMES = "def tax(value):\n    return 2\n"
RULES = [
    {"after": "sub", "insert": "total = sum(prices)"},
    {"after": "rate = ", "insert": "tax(value)"},
    {"after": "return v", "insert": "oid"},
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository of two files."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "main.py").write_text(MODULE)
    (folder / "project_names.py").write_text(NAMES)
    return folder


def command(folder: Path, *options: str, rules: Script = RULES) -> list[str]:
    """The command that replays a folder."""
    engine = scripted(folder.parent, rules)
    bench = ["bench", "keystrokes", str(folder), "--seed", "1", *PATIENT, *options, *engine]
    return [sys.executable, "-m", "fimls", *bench]


def replay(folder: Path, out: Path, *options: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run it; return the last line and the report."""
    done = subprocess.run(
        command(folder, "-o", str(out), *options),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert 0 == done.returncode, done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    return last, json.loads((out / "report.json").read_text())


def left_in(folder: Path) -> list[Path]:
    """The copies that a replay works in."""
    return list(folder.glob("fimls-bench-*"))


def timeless(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a report without what depends on the clock."""
    left = []
    for row in report["functions"]:
        times = ("latency_ms", "item_latency_ms")
        counts = {name: {by: len(one) for by, one in row[name].items()} for name in times}
        left.append({**row, **counts, "engine_ms": None})
    return left


def test_a_replay_types_and_takes(project: Path, tmp_path: Path) -> None:
    """What agrees is taken and saves keys; the kinds are told apart; nothing is written there."""
    before = {path.name: path.read_text() for path in project.iterdir()}
    last, report = replay(
        project, tmp_path / "out", "--pace", "wait", "--record", str(tmp_path / "r")
    )
    assert before == {path.name: path.read_text() for path in project.iterdir()}
    rows = {row["name"].rpartition(":")[2]: row for row in report["functions"]}
    assert {"total", "taxed"} == set(rows)
    assert all(row["finished"] for row in rows.values())
    assert ("local", "needs another file") == (rows["total"]["kind"], rows["taxed"]["kind"])
    assert 1 == rows["total"]["accepted_whole"]
    assert len("total = sum(prices)") == rows["total"]["saved_characters"]
    assert len("tax(value)") == rows["taxed"]["saved_characters"]
    assert rows["taxed"]["wrong_characters"] >= len("id")
    assert ("keystrokes", 2) == (last["name"], last["figures"]["all"]["finished"])
    assert "<svg" in (tmp_path / "out" / "report.html").read_text()
    lines = [json.loads(line) for line in (tmp_path / "r").read_text().splitlines()]
    assert last["figures"]["all"]["answered"] == len(lines)
    assert any(line["offered"] == ["tax(value)"] for line in lines)


def test_two_runs_of_a_seed_agree(project: Path, tmp_path: Path) -> None:
    """With a deterministic engine and the waiting pace, only times differ."""
    reports = [replay(project, tmp_path / name, "--pace", "wait")[1] for name in ("a", "b")]
    assert reports[0]["plan"] == reports[1]["plan"]
    assert timeless(reports[0]) == timeless(reports[1])
    assert reports[0]["examples"] == reports[1]["examples"]


def test_statistics_are_kept_where_asked(project: Path, tmp_path: Path) -> None:
    """What was shown and taken is what `fimls stats` says of that folder, without code."""
    state = tmp_path / "state"
    replay(project, tmp_path / "out", "--feedback", str(state))
    stats = subprocess.run(
        [sys.executable, "-m", "fimls", "stats", "--json"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "XDG_STATE_HOME": str(state)},
    )
    (line,) = json.loads(stats.stdout)["all"]
    assert line["shown"] > line["accepted"] + line["partly"] > 0
    assert "subtotal" not in (state / "fimls" / "feedback.sqlite").read_bytes().decode("latin-1")


def test_compare_reads_two_reports(project: Path, tmp_path: Path) -> None:
    """The last line holds the change of each figure."""
    for name in ("a", "b"):
        replay(project, tmp_path / name, "--pace", "wait", "--looks", "line")
    reports = [str(tmp_path / name / "report.json") for name in ("a", "b")]
    done = subprocess.run(
        [sys.executable, "-m", "fimls", "bench", "keystrokes", "--compare", *reports],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert 2 == found["scopes"]["all"]["functions"]
    assert 0 == found["scopes"]["all"]["saved_share"]["difference"]["value"]


async def test_an_interrupted_replay_reports_what_it_did(project: Path, tmp_path: Path) -> None:
    """Ctrl-C at human pace ends the server, leaves a report and exits with 130."""
    out, asked = tmp_path / "out", tmp_path / "asked"
    rules = [{"after": "", "hold": str(asked)}]
    process = await asyncio.create_subprocess_exec(
        *command(project, "-o", str(out), "--set", "deadline_ms=1000", rules=rules),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    await until(lambda: asked.exists() or process.returncode is not None)
    assert left_in(tmp_path)
    process.send_signal(signal.SIGINT)
    output, errors = await asyncio.wait_for(process.communicate(), HANG_S)
    assert 130 == process.returncode, errors.decode()
    assert json.loads(output.splitlines()[-1])["interrupted"]
    assert (out / "report.html").exists()
    assert not left_in(tmp_path)
