"""What ``fimls export`` and ``fimls adapters`` print."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.training.cli.context import command_context
from tests.training.export.test_export import make_source
from training.cli import adapters
from training.cli.export import export


def test_export_ends_with_a_json_line(
    tmp_path: Path, empty_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Standard output is one object that says what was made, and where."""
    source = make_source(tmp_path)
    export(
        command_context(model=str(tmp_path / "base.gguf")),
        str(source.adapter.folder),
        to="gguf",
        output=tmp_path / "out",
    )
    assert {
        "adapter": "mine",
        "base": "base",
        "to": "gguf",
        "quantization": "q8_0",
        "path": str(tmp_path / "out" / "mine-q8_0.gguf"),
    } == json.loads(capsys.readouterr().out)


def test_adapters_say_what_serves(
    tmp_path: Path, empty_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Promoting and rolling back say what serves now and served before; the list agrees."""
    folder = make_source(tmp_path).adapter.folder
    adapters.list_adapters(as_json=False)
    assert "none of your own yet" in capsys.readouterr().err
    adapters.promote(str(folder))
    assert "tiny is served with mine (before: the base alone)\n" == capsys.readouterr().out
    adapters.list_adapters(as_json=True)
    ((name, promoted),) = [
        (row["name"], row["promoted"])
        for row in json.loads(capsys.readouterr().out)
        if not row["shipped"]
    ]
    assert ("mine", True) == (name, promoted)
    adapters.list_adapters(as_json=False)
    assert "yes" in capsys.readouterr().out
    adapters.rollback()
    assert "tiny is served with the base alone (before: mine)\n" == capsys.readouterr().out
    adapters.remove("mine")
    adapters.add(folder, name="again")
    assert "again, for tiny:" in capsys.readouterr().out
