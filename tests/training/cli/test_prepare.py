"""``fimls prepare``, below its arguments."""

from __future__ import annotations

from pathlib import Path

import pytest

from fimls.types import ConfigError, ModelMissingError
from tests.training.cli.context import command_context
from training.cli.prepare import prepare
from training.dataset import Dataset
from training.types import Split

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
    prepare(
        command_context(),
        [str(folder)],
        output=output,
        with_context=False,
        examples=4,
        holdout=0,
        validation=0,
        mix="line-end=1",
        jobs=1,
    )
    captured = capsys.readouterr()
    assert f"{output}\n" == captured.out
    assert "report.html" in captured.err
    kinds = Dataset.open(output).info.counts[Split.TRAIN.value].kinds
    assert ["line-end"] == list(kinds)


def test_context_needs_a_tokenizer(folder: Path, tmp_path: Path) -> None:
    """Without the model's tokenizer nothing can be counted: the error comes before any work."""
    with pytest.raises(ModelMissingError) as caught:
        prepare(command_context(), [str(folder)], output=tmp_path / "data", jobs=1)
    assert "fimls pull" in caught.value.hint
    assert not (tmp_path / "data").exists()


def test_a_wrong_mix(folder: Path, tmp_path: Path) -> None:
    """A kind that doesn't exist is an error, not an experiment."""
    with pytest.raises(ConfigError, match="bodies"):
        prepare(
            command_context(),
            [str(folder)],
            output=tmp_path / "data",
            with_context=False,
            mix="bodies=1",
            jobs=1,
        )
