"""The training loop: steps, their gradients, what stops them, and what is saved on the way.

It runs on accelerate, so that one process on a CPU and many under torchrun are the same code.
Each process reads its own part of every step; the loss is divided by the labels of all.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from fimls.fim import TokenizedExample
from training.batches import PackedRow, StepStream, TokenStep
from training.tuning.adapter import adapter_weights, save_adapter, trainable
from training.tuning.checkpoint import (
    RunState,
    atomic_folder,
    best_folder,
    save_checkpoint,
    writing,
)
from training.tuning.loss import MaskedLoss, RowTensors, score
from training.tuning.observers import Observer
from training.tuning.recipe import Recipe, learning_rate, validations_due
from training.types import Split, TrainingError

# AdamW's, as usual for language models: the second is below torch's default, since runs are short.
_BETAS = (0.9, 0.95)
_OUT_OF_MEMORY = ("can't allocate memory", "not enough memory")


_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(slots=True)
class Trainer:
    """One run."""

    network: Any
    """The peft model."""
    recipe: Recipe
    stream: StepStream[Any]
    suites: dict[str, list[TokenizedExample]]
    """Encoded examples by the suite's name; "heldout" decides."""
    run: Path
    """The folder for checkpoints and the best weights so far."""
    base: str
    """The base's name, for peft's file."""
    accelerator: Any
    observers: Sequence[Observer] = ()
    _model: Any = field(init=False)
    optimizer: Any = field(init=False)

    def __post_init__(self) -> None:
        model = MaskedLoss(self.network).train()
        optimizer = torch.optim.AdamW(
            list(trainable(self.network).values()),
            lr=0.0,
            betas=_BETAS,
            weight_decay=self.recipe.weight_decay,
        )
        self._model, self.optimizer = self.accelerator.prepare(model, optimizer)

    def train(self, state: RunState, interruption: Interruption) -> RunState:
        """From a state to the run's end, early or not.

        Raises:
            KeyboardInterrupt: asked to stop; a checkpoint was saved. TrainingError: the loss
            diverged, memory or the disk is full; the last checkpoint is whole.
        """
        position = state.positions[self.accelerator.process_index]
        steps = self.stream.steps(position)
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="fimls-batches") as reader:
            following = reader.submit(next, steps)
            try:
                while True:
                    due = validations_due(state.progress, self.recipe.validations)
                    if due > state.validated:
                        self._validate(state, interruption)
                        state.validated = due
                        self._pace(state)
                        self._checkpoint(state)
                    elif state.step % self.recipe.checkpoint_steps == 0:
                        self._pace(state)
                        self._checkpoint(state)
                    if state.progress >= 1 or self._waited_enough(state):
                        return state
                    step = following.result()
                    following = reader.submit(next, steps)
                    self._step(step, state, interruption)
            except KeyboardInterrupt:
                self._checkpoint(state)  # of the last whole step; what was begun is done again
                raise

    def measure_tokens_per_s(self) -> float:
        """How fast steps are, from the first one, of which nothing is kept."""
        step = next(self.stream.steps())
        seconds = []
        for row in itertools.islice(itertools.cycle(step.rows), 3):
            began = time.monotonic()
            self._backward(row, 0.0)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            seconds.append((time.monotonic() - began) / row.tokens)
        self.optimizer.zero_grad()
        # The first forward pass allocates, so it isn't counted.
        mean: float = self._sum([1 / min(seconds[1:])])[0]
        return mean

    def _step(self, step: TokenStep, state: RunState, interruption: Interruption) -> None:
        began = time.monotonic()
        totals = self._sum([step.tokens, step.label_tokens, float(interruption.asked)])
        tokens, labels, asked = totals
        if asked:
            raise KeyboardInterrupt
        loss = self._sum([self._gradients(step, state, labels, interruption)])[0] / labels
        norm = float(
            self.accelerator.clip_grad_norm_(
                list(trainable(self.network).values()), self.recipe.clip_norm
            )
        )
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise TrainingError(
                f"the loss became {loss} (gradient norm {norm}) at step {state.step + 1}; "
                "the last good checkpoint is kept",
                hint="lower the learning rate (--learning-rate), then begin again with --fresh",
            )
        positions = self._positions(step)
        examples = self._examples(positions)
        progress = state.plan.progress(examples=examples, tokens=state.tokens + int(tokens))
        rate = learning_rate(self.recipe, progress)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad()
        seconds = time.monotonic() - began
        state.step += 1
        state.positions, state.examples = positions, examples
        state.tokens += int(tokens)
        state.seconds += seconds
        numbers = {"loss": loss, "lr": rate, "norm": norm, "tokens_per_s": tokens / seconds}
        for observer in self.observers:
            observer.step(state, numbers)

    def _gradients(
        self, step: TokenStep, state: RunState, labels: float, interruption: Interruption
    ) -> float:
        """Accumulate the step's gradients; this process's summed loss. Halves at out-of-memory."""
        while True:
            rows = _fitting(step.rows, state.row_tokens)
            try:
                return self._accumulate(rows, labels, interruption)
            except (MemoryError, RuntimeError) as error:
                if not _is_out_of_memory(error) or self.accelerator.num_processes > 1:
                    raise
            self.optimizer.zero_grad()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            self._shrink(rows, state)

    def _shrink(self, rows: Sequence[PackedRow], state: RunState) -> None:
        largest = max(row.tokens for row in rows)
        if all(len(row.examples) == 1 for row in rows):
            raise TrainingError(
                f"not enough memory for a single example of {largest} tokens",
                hint="set checkpointing = true, fewer layers, or smaller windows",
            )
        state.row_tokens = largest // 2
        for observer in self.observers:
            observer.note(f"out of memory: going on with rows of {state.row_tokens} tokens")

    def _accumulate(
        self, rows: Sequence[PackedRow], labels: float, interruption: Interruption
    ) -> float:
        # Every process goes through the same number of rows; what is added counts nothing.
        rounds, stop = int(self._max(len(rows))), self._stopper(interruption)
        loss = 0.0
        for index in range(rounds):
            stop()
            real = index < len(rows)
            # DDP and FSDP average over processes, where a sum is wanted.
            weight = self.accelerator.num_processes / labels if real else 0.0
            part = self._backward(rows[min(index, len(rows) - 1)], weight, last=index == rounds - 1)
            loss += part if real else 0.0
        return loss

    def _backward(self, row: PackedRow, weight: float, *, last: bool = True) -> float:
        waiting = contextlib.nullcontext() if last else self.accelerator.no_sync(self._model)
        with waiting:
            loss = self._model(RowTensors.of(row, self.accelerator.device))
            self.accelerator.backward(loss * weight)
        return float(loss.detach())

    def _pace(self, state: RunState) -> None:
        """Keep a run by the clock to its minutes: a machine is seldom as fast all the time.

        Only where a checkpoint follows, so that a run that is taken up there has the same plan.
        """
        validations_left = self.recipe.validations + 1 - state.validated
        if not (self.recipe.minutes and state.step and validations_left > 0):
            return
        # The same in all processes.
        sums = self._sum([state.seconds, state.validation_seconds])
        seconds, validating = (value / self.accelerator.num_processes for value in sums)
        left = self.recipe.minutes * 60 - seconds - validating
        left -= validations_left * validating / state.validated
        state.plan = state.plan.paced(
            tokens=state.tokens, tokens_per_s=state.tokens / seconds, seconds_left=left
        )

    def _validate(self, state: RunState, interruption: Interruption) -> None:
        began = time.monotonic()
        numbers: dict[str, float] = {}
        for name, examples in self.suites.items():
            result = score(
                self._model,
                examples,
                row_tokens=state.row_tokens,
                device=self.accelerator.device,
                before_row=self._stopper(interruption),
            )
            if result is not None:
                numbers.update(result.as_dict(name))
        state.validation_seconds += time.monotonic() - began
        if not numbers:
            return
        state.first, state.last = state.first or numbers, numbers
        loss = numbers.get("heldout_loss")
        if loss is not None and (state.best_loss is None or loss < state.best_loss):
            state.best_loss, state.best_step, state.waited = loss, state.step, 0
            self._keep_best(state)
        else:
            state.waited += 1
        for observer in self.observers:
            observer.validation(state, numbers)

    def _keep_best(self, state: RunState) -> None:
        weights = adapter_weights(self.network)
        if not self.accelerator.is_main_process:
            return
        with writing(self.run), atomic_folder(best_folder(self.run, state)) as folder:
            save_adapter(self.network, weights, folder, base=self.base)

    def _stopper(self, interruption: Interruption) -> Callable[[], None]:
        """Raises KeyboardInterrupt once asked. Several processes stop together, between steps."""

        def stop() -> None:
            if interruption.asked and self.accelerator.num_processes == 1:
                raise KeyboardInterrupt

        return stop

    def _waited_enough(self, state: RunState) -> bool:
        return 0 < self.recipe.patience <= state.waited and state.best_loss is not None

    def _checkpoint(self, state: RunState) -> None:
        save_checkpoint(
            self.run,
            state,
            self.network,
            self.optimizer,
            base=self.base,
            write=self.accelerator.is_main_process,
        )
        self.accelerator.wait_for_everyone()

    def _positions(self, step: TokenStep) -> list[Any]:
        if self.accelerator.num_processes == 1:
            return [step.after]
        from accelerate.utils import gather_object

        return list(gather_object([step.after]))

    def _examples(self, positions: list[Any]) -> int:
        """Of all epochs, by the process that is furthest."""
        count = self.stream.source.count(Split.TRAIN)
        furthest: int = max(one.epoch * count + one.index for one in positions)
        return furthest

    def _sum(self, values: Sequence[float]) -> list[float]:
        return self._reduced(values, "sum")

    def _max(self, value: float) -> float:
        if self.accelerator.num_processes == 1:
            return value
        gathered = self.accelerator.gather(
            torch.tensor([value], dtype=torch.float64, device=self.accelerator.device)
        )
        return float(gathered.max())

    def _reduced(self, values: Sequence[float], how: str) -> list[float]:
        if self.accelerator.num_processes == 1:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64, device=self.accelerator.device)
        reduced: list[float] = self.accelerator.reduce(tensor, how).tolist()
        return reduced


def _fitting(rows: Sequence[PackedRow], row_tokens: int) -> list[PackedRow]:
    """Rows halved until they fit, or are single examples."""
    result: list[PackedRow] = []
    for row in rows:
        halves = row.halves() if row.tokens > row_tokens else None
        result += _fitting(halves, row_tokens) if halves else [row]
    return result


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return any(words in str(error) for words in _OUT_OF_MEMORY)


class Interruption:
    """Whether the run was asked to stop."""

    def __init__(self) -> None:
        self.asked = False

    @contextlib.contextmanager
    def watched(self) -> Iterator[Interruption]:
        """Turn the first SIGINT or SIGTERM into ``asked``; the second ends the process as usual."""
        if threading.current_thread() is not threading.main_thread():
            yield self  # only the main thread may change handlers
            return
        previous: dict[signal.Signals, Any] = {}

        def ask(number: int, _frame: FrameType | None) -> None:
            self.asked = True
            signal.signal(number, previous[signal.Signals(number)])

        for one in _SIGNALS:
            previous[one] = signal.signal(one, ask)
        try:
            yield self
        finally:
            for one, handler in previous.items():
                signal.signal(one, handler)
