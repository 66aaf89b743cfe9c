"""``fimls prepare``, below its arguments."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fimls.cli import main
from fimls.cli.options import Invocation
from fimls.types import ModelMissingError
from training.cli.prepare import run
from training.dataset import Dataset
from training.preparation import Settings
from training.types import SpanKind, Split

SOURCE = "def area_of(width, height):\n    return width * height\n\n\nprint(area_of(3, 4))\n" * 3


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of one file, and a store without models."""
    monkeypatch.setenv("FIMLS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = tmp_path / "code" / "areas.py"
    source.parent.mkdir()
    source.write_text(SOURCE)
    return source.parent


def test_says_what_came_of_it(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The dataset's path is the result; counts and the report's place go to standard error."""
    output = tmp_path / "data"
    mix = {SpanKind.LINE_END: 1.0}
    settings = Settings((str(folder),), context=False, examples=4, holdout=0, validation=0, mix=mix)
    run(Invocation({}), settings, output, jobs=1, resume=False)
    captured = capsys.readouterr()
    assert f"{output}\n" == captured.out
    assert "report.html" in captured.err
    kinds = Dataset.open(output).info.counts[Split.TRAIN.value].kinds
    assert ["line-end"] == list(kinds)


def test_context_needs_a_tokenizer(folder: Path, tmp_path: Path) -> None:
    """Without the model's tokenizer nothing can be counted: the error comes before any work."""
    with pytest.raises(ModelMissingError) as caught:
        run(Invocation({}), Settings((str(folder),)), tmp_path / "data", jobs=1, resume=False)
    assert "fimls pull" in caught.value.hint
    assert not (tmp_path / "data").exists()


def test_a_wrong_mix(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A kind that doesn't exist is an error, not an experiment."""
    data = folder / "data"
    monkeypatch.setattr(
        sys, "argv", ["fimls", "prepare", str(folder), "-o", str(data), "--mix", "bodies=1"]
    )
    with pytest.raises(SystemExit, match="1"):
        main()
    assert "'bodies'" in capsys.readouterr().err
    assert not data.exists()
