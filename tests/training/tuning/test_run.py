from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from fimls.fim import Manifest, Tokenizer
from fimls.store import Store
from fimls.store.adapter import Adapter
from fimls.store.adapters import AdapterRegistry
from fimls.store.gguf_file import open_gguf, rows
from fimls.store.gguf_tokenizer import write_tokenizer
from fimls.store.merge import merge_adapter
from fimls.types import AdapterMismatchError
from tests.fim_tokenizers import REPOSITORY

pytest.importorskip("torch")
pytest.importorskip("peft")

import torch

from tests.training.tuning import tiny
from training.dialogue import DIALOGUE_TOKENS, DialogueSource
from training.tuning import adapter, checkpoint, loop
from training.tuning.base import fastest_dtype, find_base, starting_adapter
from training.tuning.gguf_network import load_gguf_network
from training.tuning.loss import score
from training.tuning.run import train
from training.types import DatasetError, TrainingError

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning"),  # of peft, torch
    pytest.mark.timeout(300),
]


def weights(folder: Path) -> dict[str, Any]:
    """An adapter's tensors by name."""
    return dict(safetensors.numpy.load_file(folder / "adapter_model.safetensors"))


def curve(folder: Path) -> list[tuple[str, int, float]]:
    """What ``metrics.jsonl`` says of the loss."""
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [(one["kind"], one["step"], one.get("loss", one.get("heldout_loss"))) for one in lines]


def run_module(
    folder: Path, *moments: str, launcher: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Run ``killed_run`` in a process of its own."""
    module = "tests.training.tuning.killed_run"
    command = [sys.executable, "-m", *launcher, module, str(folder), *moments]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )


def test_learns_and_leaves_an_adapter_that_the_store_can_merge(tmp_path: Path) -> None:
    """The loss falls, the manifest fits the base, and the merged file differs from the base."""
    job = tiny.job(tmp_path)
    state = train(job)
    manifest = Manifest.read(job.output)
    assert state.last["heldout_loss"] < state.first["heldout_loss"]
    assert ("qwen2.5-coder", ("spm", "psm")) == (manifest.format, manifest.orders)
    assert (job.base.sha256, True) == (manifest.base_sha256, manifest.tie_word_embeddings)
    assert Adapter.open(job.output).tied
    merge_adapter(job.base.path, job.output, tmp_path / "merged.gguf")
    assert not (job.output / ".training").exists()
    provenance = json.loads((job.output / "training.json").read_text())
    assert "c" * 64 == provenance["corpus"]["sha256"]
    assert state.step == provenance["run"]["steps"]
    assert f"torch.{provenance['run']['dtype']}" == str(fastest_dtype("cpu"))


def test_added_tokens_are_trained_and_merge_to_what_peft_computes(tmp_path: Path) -> None:
    """[pre], [post] and [mid] get rows; the merged file holds them as training left them, and its
    tokenizer is the one that was trained with.
    """
    base = tiny.base(tmp_path / "base", "llama", "pre-post-mid")
    job = tiny.job(tmp_path, base=base)
    train(job)
    assert ["[pre]", "[post]", "[mid]", "<|im_end|>"] == [token for token, _ in base.added]
    saved = weights(job.output)[
        "base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta"
    ]
    merge_adapter(base.path, job.output, tmp_path / "merged.gguf")
    merged = open_gguf(tmp_path / "merged.gguf")
    table = rows(merged.tensors["token_embd.weight"])
    np.testing.assert_array_equal(saved, table[[index for _, index in base.added]])
    tokens = merged.get("tokenizer.ggml.tokens")
    assert [token for token, _ in base.added] == [tokens[index] for _, index in base.added]
    write_tokenizer(merged, tmp_path / "served.json")
    trained, served = (
        Tokenizer.from_file(path)
        for path in (job.output / "tokenizer.json", tmp_path / "served.json")
    )
    manifest = Manifest.read(job.output)
    assert [manifest.tokenizer_sha256] * 2 == [trained.sha256, served.sha256]


def test_dialogues_are_learnt_by_the_same_loop(tmp_path: Path) -> None:
    """The assistant's answers get likelier, and the renderer's template and tokens lie beside the
    adapter, which the store can still merge.
    """
    file = tmp_path / "dialogues.jsonl"
    turns = [("user", "ping"), ("assistant", "pong")]
    messages = [{"role": role, "content": text} for role, text in turns]
    file.write_text((json.dumps({"messages": messages}) + "\n") * 40)
    path = tiny.base(tmp_path / "base", "llama", "pre-post-mid").path
    store = Store(tmp_path / "base" / "home")
    base = find_base(str(path), store, format_name="pre-post-mid", dialogues=True)
    job = tiny.job(tmp_path, base=base, source=DialogueSource(file), dialogues=True)
    state = train(job)
    assert state.last["heldout_loss"] < state.first["heldout_loss"]
    assert "assistant" in (job.output / "chat_template.jinja").read_text("utf-8")
    saved = Tokenizer.from_file(job.output / "tokenizer.json")
    assert all(saved.control_id(token) is not None for token in DIALOGUE_TOKENS)
    assert {*DIALOGUE_TOKENS} <= {*Manifest.read(job.output).control_ids}
    merge_adapter(base.path, job.output, tmp_path / "merged.gguf")


def test_interrupted_and_resumed_equals_uninterrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C saves at once; the same call goes on to the same weights and the same curve."""
    base = tiny.base(tmp_path / "base")
    whole = tiny.job(tmp_path, output="whole", base=base)
    train(whole)
    parts = tiny.job(tmp_path, output="parts", base=base)
    backward = loop.Trainer._backward
    calls = 0

    def interrupting(self: Any, *arguments: Any, **options: Any) -> float:
        nonlocal calls
        calls += 1
        if calls == 8:  # in the middle of a step
            signal.raise_signal(signal.SIGINT)
        return backward(self, *arguments, **options)

    monkeypatch.setattr(loop.Trainer, "_backward", interrupting)
    with pytest.raises(KeyboardInterrupt):
        train(parts)
    assert not (parts.output / "fimls_manifest.json").exists()
    train(parts)
    assert curve(whole.output) == curve(parts.output)
    expected, actual = weights(whole.output), weights(parts.output)
    assert expected.keys() == actual.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(actual[name], value, rtol=0, atol=1e-6)


@pytest.mark.slow
def test_killed_at_any_moment_and_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    """SIGKILL between steps, within one and while a checkpoint is written changes nothing."""
    base = tiny.base(tmp_path / "base")
    whole = tiny.job(tmp_path, output="whole", base=base)
    train(whole)
    parts = tiny.job(tmp_path, output="parts", base=base)
    moments = ["step:2", "backward:5", "sync:3", "sync:10", "step:1"]
    done = run_module(tmp_path, *moments)
    assert 0 == done.returncode, done.stderr
    train(parts)
    assert curve(whole.output) == curve(parts.output)
    for name, value in weights(whole.output).items():
        np.testing.assert_allclose(weights(parts.output)[name], value, rtol=0, atol=1e-6)


def test_a_diverged_loss_stops_the_run_and_keeps_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NaN is an error that says what to do; the weights before it are still there, and finite."""
    backward = loop.Trainer._backward
    calls = 0

    def diverging(self: Any, *arguments: Any, **options: Any) -> float:
        nonlocal calls
        calls += 1
        loss = backward(self, *arguments, **options)
        return float("nan") if calls == 7 else loss

    monkeypatch.setattr(loop.Trainer, "_backward", diverging)
    job = tiny.job(tmp_path)
    with pytest.raises(TrainingError, match=r"loss became nan .* at step \d") as caught:
        train(job)
    assert "learning rate" in caught.value.hint
    (checkpoint,) = (job.output / ".training").glob("step-*")
    assert all(np.isfinite(value).all() for value in weights(checkpoint).values())


def test_out_of_memory_halves_the_rows_and_learns_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are divided until they fit; the summed gradient, and so the result, stays."""
    base = tiny.base(tmp_path / "base")
    recipe = dataclasses.replace(tiny.RECIPE, row_tokens=400, step_tokens=400)
    whole = tiny.job(tmp_path, output="whole", base=base, recipe=recipe)
    # In float32: sums in another order are not the same in bf16.
    train(whole, network=load_gguf_network(base.path, torch.float32))
    backward = loop.Trainer._backward

    def limited(self: Any, row: Any, *arguments: Any, **options: Any) -> float:
        if row.tokens > 150:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ...")
        return backward(self, row, *arguments, **options)

    monkeypatch.setattr(loop.Trainer, "_backward", limited)
    halved = tiny.job(tmp_path, output="halved", base=base, recipe=recipe)
    state = train(halved, network=load_gguf_network(base.path, torch.float32))
    assert state.row_tokens < 400
    for name, value in weights(whole.output).items():
        np.testing.assert_allclose(weights(halved.output)[name], value, rtol=0, atol=1e-4)


def test_memory_for_not_even_one_example_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Halving ends at single examples, with advice."""

    def never(*_arguments: Any, **_options: Any) -> float:
        raise MemoryError

    monkeypatch.setattr(loop.Trainer, "_backward", never)
    with pytest.raises(TrainingError, match="not enough memory for a single example"):
        train(tiny.job(tmp_path))


def test_a_full_disk_at_a_checkpoint_leaves_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the disk; what was saved before is whole, and the run goes on from it."""
    base = tiny.base(tmp_path / "base")
    job = tiny.job(tmp_path, base=base)
    save, count = adapter.save_adapter, 0

    def full(*arguments: Any, **options: Any) -> None:
        nonlocal count
        count += 1
        if count == 3:
            raise OSError(28, "No space left on device")
        save(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_adapter", full)
        with pytest.raises(TrainingError, match=r"disk of .* is full"):
            train(job)
    left = sorted(path.name for path in (job.output / ".training").iterdir())
    assert ["best-00000000", "best-00000004", "run.json", "step-00000002-001"] == left
    train(job)
    assert (job.output / "fimls_manifest.json").exists()


def test_other_settings_are_no_continuation(tmp_path: Path) -> None:
    """A finished adapter isn't overwritten, nor an unfinished run mixed with another."""
    base = tiny.base(tmp_path / "base")
    job = tiny.job(tmp_path, base=base)
    train(job)
    with pytest.raises(TrainingError, match="finished adapter"):
        train(job)
    (job.output / ".training" / "step-00000001-001").mkdir(parents=True)
    before = {"rank": 8, "base_sha256": base.sha256}
    (job.output / ".training" / "run.json").write_text(json.dumps(before))
    with pytest.raises(TrainingError, match="rank was 8 and is 4"):
        train(job)
    assert train(dataclasses.replace(job, fresh=True)).step > 0


def test_an_empty_dataset_is_refused(tmp_path: Path) -> None:
    """Before any weight is read."""
    with pytest.raises(DatasetError, match="no examples to train on"):
        train(tiny.job(tmp_path, source=tiny.source(train=0)))


class Machine:
    """A machine that trains 1,000 tokens a second and takes 0.1 s for a validation's suite.

    It stands for the ``time`` of the loop: however busy the real machine is, a run by the clock
    goes the same way.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._now = 0.0
        backward = loop.Trainer._backward

        def trained(trainer: Any, row: Any, *arguments: Any, **options: Any) -> float:
            self._now += row.tokens / 1000
            return backward(trainer, row, *arguments, **options)

        def scored(model: Any, examples: Any, **options: Any) -> Any:
            self._now += 0.1 if examples else 0.0
            return score(model, examples, **options)

        monkeypatch.setattr(loop.Trainer, "_backward", trained)
        monkeypatch.setattr(loop, "score", scored)
        monkeypatch.setattr(loop, "time", self)

    def monotonic(self) -> float:
        """Of ``time``."""
        return self._now


def test_minutes_become_tokens_before_the_first_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The length is fixed from the measured speed, and the cosine ends there."""
    Machine(monkeypatch)
    changes = {"minutes": 0.02, "validation_examples": 0, "general_examples": 0}
    once = {"validations": 1, "checkpoint_steps": 1000}  # the plan isn't corrected on the way
    recipe = tiny.RECIPE.with_changes({**changes, **once}, source="test")
    state = train(tiny.job(tmp_path, recipe=recipe))
    assert "tokens" == state.plan.unit
    assert pytest.approx(1200, abs=1) == state.plan.total  # 1.2 s
    assert state.plan.total <= state.tokens < state.plan.total + 200  # a step is about 150


def test_a_run_by_the_clock_keeps_to_it_on_a_machine_that_slows_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planned a thousand times too long, it ends in time, validated to the end."""
    Machine(monkeypatch)
    measured = loop.Trainer.measure_tokens_per_s
    monkeypatch.setattr(loop.Trainer, "measure_tokens_per_s", lambda self: 1000 * measured(self))
    recipe = tiny.RECIPE.with_changes({"minutes": 0.05}, source="test")
    state = train(tiny.job(tmp_path, recipe=recipe))
    # 3 s, and what is left of a step of about 150 tokens.
    assert pytest.approx(3, abs=0.2) == state.seconds + state.validation_seconds
    assert 1 + recipe.validations == state.validated
    assert state.progress >= 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_four_bits_without_cuda_are_refused(tmp_path: Path) -> None:
    """Not silently trained in another precision."""
    recipe = dataclasses.replace(tiny.RECIPE, method="qlora")
    with pytest.raises(TrainingError, match="needs a CUDA device"):
        train(tiny.job(tmp_path, recipe=recipe))


@pytest.mark.slow
def test_two_processes_train_one_adapter(tmp_path: Path) -> None:
    """Under torchrun each reads its own half of every step, and one adapter comes out."""
    tiny.base(tmp_path / "base")
    done = run_module(tmp_path, launcher=["torch.distributed.run", "--nproc-per-node", "2", "-m"])
    assert 0 == done.returncode, done.stderr
    run = json.loads((tmp_path / "parts" / "training.json").read_text())
    assert run["after"]["heldout_loss"] < run["before"]["heldout_loss"]
    assert tiny.RECIPE.tokens <= run["run"]["tokens"] < tiny.RECIPE.tokens + 300


def test_goes_on_from_another_adapter(tmp_path: Path) -> None:
    """Its weights are where the run begins, and the result says whose they were."""
    first = tiny.job(tmp_path, output="first")
    ended = train(first)
    start = Adapter.open(first.output)
    second = tiny.job(tmp_path, output="second", start=start)
    state = train(second)
    assert state.first["heldout_loss"] == pytest.approx(ended.best_loss, abs=1e-4)
    provenance = json.loads((second.output / "training.json").read_text())
    assert {"name": "first", "sha256": start.sha256()} == provenance["start"]


def test_begins_from_no_adapter_of_another_shape(tmp_path: Path) -> None:
    """Named, it is an error that says what differs; so is one of another base."""
    first = tiny.job(tmp_path, output="first")
    train(first)
    named = str(first.output)
    assert starting_adapter(named, first.base, first.recipe) == Adapter.open(first.output)
    other = dataclasses.replace(first.recipe, rank=8)
    with pytest.raises(TrainingError, match="rank 4, not 8"):
        starting_adapter(named, first.base, other)
    upper = dataclasses.replace(first.recipe, layers=1)
    with pytest.raises(TrainingError, match="layers all, not some"):
        starting_adapter(named, first.base, upper)
    elsewhere = dataclasses.replace(first.base, sha256="1" * 64)
    with pytest.raises(AdapterMismatchError, match="was trained on"):
        starting_adapter(named, elsewhere, first.recipe)


@pytest.mark.parametrize(("rank", "expected"), [(4, "own"), (8, None)])
def test_begins_from_fimls_own_adapter(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    rank: int,
    expected: str | None,
) -> None:
    """Unasked, where it fits; where it doesn't a line says why it isn't used."""
    first = tiny.job(tmp_path / "shipped", output="own")
    train(first)
    registry = AdapterRegistry(tmp_path / "home", shipped=first.output.parent)
    monkeypatch.setattr("training.tuning.base.AdapterRegistry", lambda: registry)
    recipe = dataclasses.replace(first.recipe, rank=rank)
    start = starting_adapter("", first.base, recipe)
    assert expected == (start and start.folder.name)
    assert ("rank 4, not 8" in caplog.text) == (expected is None)
    assert starting_adapter("none", first.base, recipe) is None
