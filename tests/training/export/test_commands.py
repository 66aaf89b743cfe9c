"""What ``fimls export`` and ``fimls adapters`` print."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.training.export.test_export import make_source
from training.cli import adapters
from training.cli.export import run


def test_export_ends_with_a_json_line(
    tmp_path: Path, empty_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Standard output is one object that says what was made, and where."""
    source = make_source(tmp_path)
    run(
        str(source.adapter.folder),
        tmp_path / "out",
        to="gguf",
        quantization=None,
        model=str(tmp_path / "base.gguf"),
        check=0,
        code=None,
        seed=0,
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
    adapters.promote_adapter(str(folder), None)
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
    adapters.rollback(None)
    assert "tiny is served with the base alone (before: mine)\n" == capsys.readouterr().out
    adapters.remove("mine")
    adapters.add(folder, "again")
    assert "again, for tiny:" in capsys.readouterr().out
