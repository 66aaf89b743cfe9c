"""The `fimls` command run in this process, on the scripted engine and an empty store."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fimls.cli import main


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        """The one JSON object that is the whole of standard output."""
        assert self.out.count("\n") == 1, self.out
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value


Fimls = Callable[..., Outcome]


@pytest.fixture
def fimls(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], empty_home: Path
) -> Fimls:
    """Run `fimls ARGUMENTS...`."""
    # Wide and plain, so that a usage error isn't wrapped inside what a test looks for.
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "dumb")

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["fimls", *map(str, arguments)])
        code: object = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        assert isinstance(code, int)
        out, err = capsys.readouterr()
        return Outcome(code, out, err)

    return run


@pytest.fixture
def scripted(fimls: Fimls, tmp_path: Path) -> Fimls:
    """Run `fimls ARGUMENTS...` with an engine that writes ``a + b`` behind ``return ``."""
    script = tmp_path / "script.json"
    rules = [
        {"after": "return ", "insert": ["a + b", "b + a", "a + b"]},
        {"after": "broken ", "fail": "raise"},
        {"after": ":\n    ", "insert": "x = 1\n    y = 2\nz"},
    ]
    script.write_text(json.dumps(rules))

    def run(*arguments: object) -> Outcome:
        return fimls(*arguments, "--engine", "scripted", "--set", f"scripted_file={script}")

    return run


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A Python file with a place to complete at 2:12, in a folder of its own."""
    folder = tmp_path / "project"
    folder.mkdir()
    path = folder / "add.py"
    path.write_text("def add(a, b):\n    return \n\n\nprint(add(1, 2))\n", encoding="utf-8")
    return path
