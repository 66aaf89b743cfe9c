"""`fimls why`: what made a completion, or kept it from being shown."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Fimls


@pytest.fixture(autouse=True)
def last_explanation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the server would leave its last explanation."""
    path = tmp_path / "state" / "why.json"
    # By its name: the package's attribute of that name is the command.
    monkeypatch.setattr(import_module("fimls.cli.why"), "last_explanation_path", lambda: path)
    return path


def test_a_place(scripted: Fimls, source: Path) -> None:
    """What is shown, the prompt's parts, the gate and the times of each stage."""
    outcome = scripted("why", f"{source}:2:12")
    assert 0 == outcome.code
    answered = ("generated for this keystroke", "generation: 1, from offset 26")
    for part in ("'a + b'", *answered, "suffix 20", "gate:", "times:"):
        assert part in outcome.out


def test_json(scripted: Fimls, source: Path) -> None:
    """The same as an object."""
    report = scripted("why", f"{source}:2:12", "--json").report
    assert (["a + b"], None, "engine") == (
        report["shown"],
        report["suppressed"],
        report["answered_by"],
    )
    assert report["gate"]["passed"]


def test_nothing_shown_has_a_reason(scripted: Fimls, source: Path) -> None:
    """In front of code on the line nothing is shown unasked, and that is what is said."""
    outcome = scripted("why", f"{source}:1:5")
    assert 0 == outcome.code
    assert "not shown: " in outcome.out


def test_what_the_server_left(
    scripted: Fimls, fimls: Fimls, source: Path, last_explanation: Path
) -> None:
    """Without a place the server's last request is explained, from a file without code."""
    explained = scripted("why", f"{source}:2:12", "--json").report
    explained["shown"] = [len(one) for one in explained["shown"]]
    explained["generation"]["text"] = 5
    explained["context_note"] = "index limited to 3 files of 9"
    last_explanation.parent.mkdir()
    last_explanation.write_text(json.dumps(explained), encoding="utf-8")
    outcome = fimls("why")
    assert 0 == outcome.code
    assert "5 characters" in outcome.out
    assert "; index limited to 3 files of 9" in outcome.out


@pytest.mark.parametrize("content", [None, "{", "\udcff"])
def test_nothing_to_read(fimls: Fimls, last_explanation: Path, content: str | None) -> None:
    """No server yet, or a spoilt file: an error that says what to do."""
    if content is not None:
        last_explanation.parent.mkdir()
        last_explanation.write_bytes(content.encode(errors="surrogateescape"))
    outcome = fimls("why")
    assert 1 == outcome.code
    assert "hint: type in an editor" in outcome.err
