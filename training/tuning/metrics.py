"""What watches a run; its log: JSON lines, and TensorBoard's own files where asked for."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Protocol

from fimls.files import write_atomically
from training.tuning.checkpoint import RunState, writing

METRICS = "metrics.jsonl"


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
