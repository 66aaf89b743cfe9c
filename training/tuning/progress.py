"""A run as a person sees it: a bar with speed, loss, learning rate and time left."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from training.tuning.checkpoint import RunState

_SMOOTHING = 0.1


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
        """See :class:`training.tuning.metrics.Observer`."""
        loss = numbers["loss"]
        self._loss = loss if self._loss is None else self._loss + _SMOOTHING * (loss - self._loss)
        self._bar.update(
            self._task,
            completed=state.progress,
            numbers=f"step {state.step}  loss {self._loss:.3f}  lr {numbers['lr']:.1e}  "
            f"{numbers['tokens_per_s']:,.0f} tokens/s",
        )

    def validation(self, state: RunState, numbers: dict[str, float]) -> None:
        """See :class:`training.tuning.metrics.Observer`."""
        parts = [
            f"{name} loss {numbers[f'{name}_loss']:.3f}, exact {numbers[f'{name}_exact']:.1%}"
            for name in ("heldout", "general")
            if f"{name}_loss" in numbers
        ]
        best = "  (best)" if state.best_step == state.step and state.best_loss is not None else ""
        self._bar.console.print(f"step {state.step}: {'; '.join(parts)}{best}", highlight=False)

    def note(self, text: str) -> None:
        """See :class:`training.tuning.metrics.Observer`."""
        self._bar.console.print(text, highlight=False)
