"""A training run from end to end: base, batches, loop, adapter folder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from accelerate import Accelerator

from fimls.fim import Budget, TokenizedExample
from training.batches import (
    Encode,
    ExampleEncoder,
    Position,
    StepStream,
)
from training.dialogue import render, write_chat_template
from training.tuning.adapter import attach, load_adapter_weights
from training.tuning.base import Base, load_network
from training.tuning.checkpoint import RunState, best_folder, checkpoints, load_checkpoint
from training.tuning.general import general_suite
from training.tuning.job import Job, begin, finish
from training.tuning.loop import Interruption, Trainer
from training.tuning.loss import encode_all, held_out
from training.tuning.observers import MetricsLog, Observer, ProgressDisplay, TensorBoardLog
from training.tuning.recipe import Recipe, plan_run
from training.types import DatasetError, FimExample, Split, TrainingError


def train(job: Job, *, network: Any = None) -> RunState:
    """Tune, or go on tuning, and leave an adapter in ``job.output``; returns where it ended.

    network: the base's weights where they are loaded already.

    Raises:
        TrainingError, DatasetError, ModelError: see their messages. KeyboardInterrupt: asked to
            stop; the same call goes on.
    """
    if not job.source.count(Split.TRAIN):
        raise DatasetError(
            "the dataset has no examples to train on", hint="prepare it from more code"
        )
    accelerator = Accelerator(cpu=job.device == "cpu")
    device = "cuda" if accelerator.device.type == "cuda" else "cpu"
    if job.device == "cuda" and device != "cuda":
        raise TrainingError(
            "this machine, or this build of torch, has no CUDA device",
            hint="leave --device out, or install a CUDA build of torch",
        )
    if accelerator.is_main_process:
        begin(job)
    accelerator.wait_for_everyone()
    encoder = make_encoder(job.recipe, job.base)
    if network is None:
        network = load_network(job.base, device=device, four_bit=job.recipe.method == "qlora")
    tied = bool(network.config.tie_word_embeddings)
    dtype = str(network.dtype).removeprefix("torch.")
    adapted = attach(network, job.recipe, added=job.base.added, tokenizer=job.base.tokenizer)
    if job.start is not None:
        load_adapter_weights(adapted, job.start.folder, hint="--start none begins without it")
    with _observers(job, accelerator) as observers, Interruption().watched() as asked:
        trainer = Trainer(
            network=adapted,
            recipe=job.recipe,
            stream=_stream(job, encoder, accelerator),
            suites=_suites(job, encoder),
            run=job.run,
            base=job.base.name,
            accelerator=accelerator,
            observers=observers,
        )
        state = load_checkpoint(job.run, adapted, trainer.optimizer) or _begin(trainer, job)
        if len(state.positions) != accelerator.num_processes:
            raise TrainingError(
                f"the run was begun by {len(state.positions)} processes, "
                f"not {accelerator.num_processes}",
                hint="start as many again, or begin again with --fresh",
            )
        state = trainer.train(state, asked)
    if accelerator.is_main_process:
        if job.dialogues:
            write_chat_template(job.output, job.base.tokenizer)
        best = best_folder(job.run, state)
        finish(
            job,
            best if best.is_dir() else checkpoints(job.run)[-1],
            state=state,
            encoder=encoder,
            tied=tied,
            dtype=dtype,
        )
    accelerator.wait_for_everyone()
    return state


def make_encoder(recipe: Recipe, base: Base) -> ExampleEncoder:
    """The encoder that a recipe asks for."""
    return ExampleEncoder(
        base.format,
        base.tokenizer,
        budget=Budget(recipe.prefix_tokens, recipe.suffix_tokens, recipe.snippet_tokens),
        spm_share=recipe.spm_share,
        context_share=recipe.context_share,
        healing=recipe.healing,
        seed=recipe.seed,
    )


def _encode(encoder: ExampleEncoder) -> Encode[FimExample]:
    return lambda example, epoch, index: encoder.encode(example, epoch=epoch, index=index)


def _encode_source(job: Job, encoder: ExampleEncoder) -> Encode[Any]:
    if job.dialogues:
        return lambda dialogue, _epoch, _index: render(
            dialogue, job.base.tokenizer, for_generation=False
        )
    return _encode(encoder)


def _stream(job: Job, encoder: ExampleEncoder, accelerator: Accelerator) -> StepStream[Any]:
    return StepStream(
        source=job.source,
        encode=_encode_source(job, encoder),
        step_tokens=job.recipe.step_tokens,
        row_tokens=job.recipe.row_tokens,
        seed=job.recipe.seed,
        process=accelerator.process_index,
        processes=accelerator.num_processes,
    )


def _suites(job: Job, encoder: ExampleEncoder) -> dict[str, list[TokenizedExample]]:
    recipe = job.recipe
    general = general_suite(recipe.general_examples, seed=recipe.seed)
    encode = _encode_source(job, encoder)
    return {
        "heldout": held_out(job.source, encode, recipe.validation_examples, recipe.row_tokens),
        "general": encode_all(general, _encode(encoder), recipe.row_tokens),
    }


def _begin(trainer: Trainer, job: Job) -> RunState:
    """The state of a run that hasn't made a step."""
    recipe = job.recipe
    validated = sum(len(one.input_ids) for suite in trainer.suites.values() for one in suite)
    plan = plan_run(
        recipe,
        examples=job.source.count(Split.TRAIN),
        tokens_per_s=trainer.measure_tokens_per_s() if recipe.minutes else 0.0,
        other_tokens=validated * (recipe.validations + 1),
    )
    positions = [Position() for _ in range(trainer.accelerator.num_processes)]
    return RunState(plan=plan, positions=positions, row_tokens=recipe.row_tokens)


@contextlib.contextmanager
def _observers(job: Job, accelerator: Accelerator) -> Iterator[list[Observer]]:
    """Only the first process writes and shows anything."""
    if not accelerator.is_main_process:
        yield []
        return
    found = checkpoints(job.run)
    after = int(found[-1].name.split("-")[1]) if found else -1
    logs: list[Observer] = [MetricsLog(job.metrics, after_step=after)]
    if job.tensorboard:
        logs.append(TensorBoardLog(job.output / "tensorboard", after_step=max(after, 0)))
    display = ProgressDisplay()
    with display.shown():
        if found:
            display.note(f"going on from step {after}")
        yield [*logs, display]
