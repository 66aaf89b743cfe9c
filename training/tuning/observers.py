"""What watches a run: the log of its metrics, TensorBoard's files, and a person's progress bar."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from fimls.files import write_atomically
from training.tuning.checkpoint import RunState, writing

METRICS = "metrics.jsonl"


_SMOOTHING = 0.1


class Observer(Protocol):
    """Something that watches a run: a log, a progress bar."""

    def step(self, state: RunState, numbers: dict[str, float]) -> None:
        """A step is done. numbers: loss, lr, norm, tokens_per_s."""
        ...

    def validation(self, state: RunState, numbers: dict[str, float]) -> None:
        """A validation is done. numbers: of both suites."""
        ...

    def note(self, text: str) -> None:
        """Something happened that a person should know."""
        ...


class MetricsLog:
    """``metrics.jsonl``: an object for each step and validation.

    A resumed run first takes out the lines past its checkpoint, so that the curve has no doubles.
    """

    def __init__(self, path: Path, *, after_step: int) -> None:
        self._path = path
        with writing(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            kept = [line for line in _lines(path) if _step(line) <= after_step]
            write_atomically(path, "".join(kept).encode())

    def step(self, state: RunState, numbers: dict[str, float]) -> None:
        """See :class:`Observer`."""
        self._write("step", state, numbers)

    def validation(self, state: RunState, numbers: dict[str, float]) -> None:
        """See :class:`Observer`."""
        self._write("validation", state, numbers)

    def note(self, text: str) -> None:
        """See :class:`Observer`."""

    def _write(self, kind: str, state: RunState, numbers: dict[str, float]) -> None:
        line = {"kind": kind, "step": state.step, "tokens": state.tokens, **numbers}
        with writing(self._path.parent), self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")


class TensorBoardLog:
    """TensorBoard's event files in a folder."""

    def __init__(self, folder: Path, *, after_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(os.fspath(folder), purge_step=after_step + 1)

    def step(self, state: RunState, numbers: dict[str, float]) -> None:
        """See :class:`Observer`."""
        self._write("train", state, numbers)

    def validation(self, state: RunState, numbers: dict[str, float]) -> None:
        """See :class:`Observer`."""
        self._write("validation", state, numbers)

    def note(self, text: str) -> None:
        """See :class:`Observer`."""

    def _write(self, group: str, state: RunState, numbers: dict[str, float]) -> None:
        for name, value in numbers.items():
            self._writer.add_scalar(f"{group}/{name}", value, state.step)
        self._writer.flush()


def _lines(path: Path) -> list[str]:
    if not path.exists():
        return []
    lines = path.read_text("utf-8").splitlines(keepends=True)
    return [line for line in lines if line.endswith("\n")]  # a killed run may leave half a line


def _step(line: str) -> int:
    step: int = json.loads(line)["step"]
    return step


class ProgressDisplay:
    """Draws on standard error; without a terminal, a line for each validation and note."""

    def __init__(self, console: Console | None = None) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[numbers]}"),
            console=console or Console(stderr=True),
        )
        self._task = self._bar.add_task("training", total=1.0, numbers="")
        self._loss: float | None = None

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Draw it while the block runs."""
        with self._bar:
            yield

    def step(self, state: RunState, numbers: dict[str, float]) -> None:
        """See :class:`Observer`."""
        loss = numbers["loss"]
        self._loss = loss if self._loss is None else self._loss + _SMOOTHING * (loss - self._loss)
        self._bar.update(
            self._task,
            completed=state.progress,
            numbers=f"step {state.step}  loss {self._loss:.3f}  lr {numbers['lr']:.1e}  "
            f"{numbers['tokens_per_s']:,.0f} tokens/s",
        )

    def validation(self, state: RunState, numbers: dict[str, float]) -> None:
        """See :class:`Observer`."""
        parts = [
            f"{name} loss {numbers[f'{name}_loss']:.3f}, exact {numbers[f'{name}_exact']:.1%}"
            for name in ("heldout", "general")
            if f"{name}_loss" in numbers
        ]
        best = "  (best)" if state.best_step == state.step and state.best_loss is not None else ""
        self._bar.console.print(f"step {state.step}: {'; '.join(parts)}{best}", highlight=False)

    def note(self, text: str) -> None:
        """See :class:`Observer`."""
        self._bar.console.print(text, highlight=False)
