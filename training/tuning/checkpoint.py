"""Checkpoints: all that a killed run needs to go on as if it had never been, and no pickle.

::

    <run>/step-00000120-003/  adapter_config.json, adapter_model.safetensors
                              optimizer.safetensors             AdamW's moments, RNG state
                              state.json                        position, plan, history
          best-00000100/      adapter_config.json, adapter_model.safetensors

A folder is written under another name, synced, and renamed as a whole. None replaces another, and
older ones are deleted afterwards. So there is always a whole checkpoint, with the best weights that
it names, whatever happens at whatever moment.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from training.batches import Position
from training.tuning.adapter import (
    adapter_weights,
    load_adapter_weights,
    save_adapter,
    trainable,
    whole,
)
from training.tuning.recipe import Plan
from training.types import TrainingError

_OPTIMIZER, _STATE = "optimizer.safetensors", "state.json"
_MOMENTS = ("exp_avg", "exp_avg_sq")
_FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclass(slots=True)
class RunState:
    """Where a run is."""

    plan: Plan
    positions: list[Position]
    """Of each process's stream."""
    row_tokens: int
    """Smaller than the recipe's once memory has run out."""
    step: int = 0
    examples: int = 0
    """Learnt from, by all processes."""
    tokens: int = 0
    """Learnt from, by all processes."""
    validated: int = 0
    """How many validations are done."""
    best_loss: float | None = None
    """The best of the validations so far."""
    best_step: int = 0
    waited: int = 0
    """Validations since the best one."""
    seconds: float = 0.0
    """Of training, in all starts."""
    validation_seconds: float = 0.0
    """Of validating, in all starts."""
    first: dict[str, float] = field(default_factory=dict)
    """What the first validation found."""
    last: dict[str, float] = field(default_factory=dict)
    """What the last validation found."""

    @property
    def progress(self) -> float:
        """In [0, 1]."""
        return self.plan.progress(examples=self.examples, tokens=self.tokens)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> RunState:
        """The inverse of ``dataclasses.asdict``."""
        plan, positions = Plan(**values["plan"]), [Position(**one) for one in values["positions"]]
        return cls(**{**values, "plan": plan, "positions": positions})


def save_checkpoint(
    run: Path, state: RunState, network: Any, optimizer: Any, *, base: str, write: bool = True
) -> None:
    """Write a checkpoint and delete those before it.

    write: False in all processes but the first: they only take part in gathering.

    Raises:
        TrainingError: the disk is full or can't be written; the last checkpoint is as it was.
    """
    target = run / f"step-{state.step:08d}-{state.validated:03d}"
    moments, weights = _moments(network, optimizer), adapter_weights(network)
    if not write or target.exists():
        return
    with writing(run):
        run.mkdir(parents=True, exist_ok=True)
        with atomic_folder(target) as folder:
            save_adapter(network, weights, folder, base=base)
            safetensors.torch.save_file(moments, folder / _OPTIMIZER)
            text = json.dumps(asdict(state), indent=1)
            (folder / _STATE).write_text(text, encoding="utf-8")
        best = best_folder(run, state)
        for old in (*checkpoints(run)[:-1], *run.glob("best-*")):
            if old != best:
                shutil.rmtree(old)


def load_checkpoint(run: Path, network: Any, optimizer: Any) -> RunState | None:
    """Take up the newest checkpoint; None where there is none.

    Raises:
        TrainingError: it is damaged.
    """
    found = checkpoints(run)
    if not found:
        return None
    folder = found[-1]
    try:
        state = RunState.from_json(json.loads((folder / _STATE).read_text("utf-8")))
        moments = safetensors.torch.load_file(folder / _OPTIMIZER)
        load_adapter_weights(network, folder)
        _restore(network, optimizer, moments, state.step)
    except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        raise TrainingError(
            f"the checkpoint {folder} is damaged: {error}", hint="begin again with --fresh"
        ) from error
    return state


def checkpoints(run: Path) -> list[Path]:
    """The whole checkpoints, oldest first."""
    return sorted(path for path in run.glob("step-*") if path.is_dir())


def best_folder(run: Path, state: RunState) -> Path:
    """Where the best weights so far are, if any were judged."""
    return run / f"best-{state.best_step:08d}"


@contextlib.contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """A new folder that is at ``target``, synced, once the block is through.

    What a killed run left there before, and no checkpoint speaks of, is deleted.
    """
    temporary = target.with_name(f".{target.name}.new")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        for path in (*temporary.iterdir(), temporary):
            _sync(path)
        if target.exists():
            shutil.rmtree(target)
        temporary.replace(target)
        _sync(target.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Explain what the file system refuses.

    Raises:
        TrainingError: the disk is full, or the folder can't be written.
    """
    try:
        yield
    except (OSError, safetensors.SafetensorError) as error:
        # safetensors has its own exception for a failed write, with the system's words in it.
        number = getattr(error, "errno", None)
        if number in _FULL or "No space left" in str(error):
            raise TrainingError(
                f"the disk of {folder} is full; what was saved last is untouched",
                hint="free some space and run the same command again: it goes on from there",
            ) from error
        raise TrainingError(f"can't write to {folder}: {error}") from error


def _moments(network: Any, optimizer: Any) -> dict[str, torch.Tensor]:
    """AdamW's moments by parameter name, and the random generators' states."""
    tensors = {"rng.cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        tensors["rng.cuda"] = torch.cuda.get_rng_state()
    for name, parameter in trainable(network).items():
        for moment, value in optimizer.state.get(parameter, {}).items():
            if moment in _MOMENTS:
                tensors[f"{moment}.{name}"] = whole(value).contiguous().cpu()
    return tensors


def _restore(network: Any, optimizer: Any, tensors: dict[str, torch.Tensor], step: int) -> None:
    for name, parameter in trainable(network).items():
        if f"{_MOMENTS[0]}.{name}" not in tensors:
            continue  # saved before the first step
        state: dict[str, torch.Tensor] = {"step": torch.tensor(float(step))}
        for moment in _MOMENTS:
            state[moment] = _like(tensors[f"{moment}.{name}"], parameter)
        optimizer.state[parameter] = state
    torch.set_rng_state(tensors["rng.cpu"])
    if torch.cuda.is_available() and "rng.cuda" in tensors:
        torch.cuda.set_rng_state(tensors["rng.cuda"])


def _like(tensor: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    """On the parameter's device, and in its shards under FSDP."""
    tensor = tensor.to(parameter.device)
    mesh = getattr(parameter, "device_mesh", None)
    if mesh is None:
        return tensor
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(tensor, mesh, parameter.placements)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
