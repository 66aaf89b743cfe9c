from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")
pytest.importorskip("pyarrow")

from fimls.fim import Manifest
from tests.fim_tokenizers import REPOSITORY
from tests.training.cli.context import command_context
from tests.training.tuning import tiny
from training.cli.train import train
from training.types import TrainingError

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning"),  # of peft, torch
    pytest.mark.timeout(300),
]

CHANGES = [
    "tokens=600",
    "prefix_tokens=32",
    "suffix_tokens=16",
    "snippet_tokens=32",
    "row_tokens=600",
    "step_tokens=300",
    "validations=1",
    "validation_examples=2",
    "general_examples=1",
]


@pytest.mark.slow
def test_a_repository_becomes_an_adapter(
    tmp_path: Path, empty_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One command prepares, trains, and says how to serve the result."""
    repository = tmp_path / "repository"
    shutil.copytree(REPOSITORY / "fimls" / "fim", repository / "fim")
    model = tiny.base(tmp_path / "base").path
    output = tmp_path / "adapter"
    train(
        command_context(model=str(model)),
        repository,
        output=output,
        recipe="cpu-small",
        assignments=CHANGES,
        prompt_format="qwen2.5-coder",
        device="cpu",
        tensorboard=True,
    )
    assert f"fimls serve --adapter {output}\n" == capsys.readouterr().out
    assert "" != Manifest.read(output).corpus_sha256
    assert list((output / "tensorboard").glob("events*"))


def test_a_source_that_is_not_there_is_named(tmp_path: Path, empty_home: Path) -> None:
    """Before anything is loaded."""
    model = tiny.base(tmp_path / "base").path
    with pytest.raises(TrainingError, match=r"there is no .*nowhere"):
        train(
            command_context(model=str(model)),
            tmp_path / "nowhere",
            output=tmp_path / "out",
            recipe="cpu-small",
            prompt_format="qwen2.5-coder",
            device="cpu",
        )


def test_several_processes_need_a_dataset(
    tmp_path: Path, empty_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under torchrun a repository is refused, with the command that comes first."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    model = tiny.base(tmp_path / "base").path
    with pytest.raises(TrainingError, match="is not a dataset") as caught:
        train(
            command_context(model=str(model)),
            REPOSITORY,
            output=tmp_path / "out",
            recipe="cpu-small",
            prompt_format="qwen2.5-coder",
            device="cpu",
        )
    assert f"first: fimls prepare {REPOSITORY} -o DATASET" == caught.value.hint
