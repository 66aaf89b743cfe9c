"""A progress bar on standard error, for whatever reports stage, done and total."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from fimls.store import Progress as ProgressCallback


@contextmanager
def progress_bar(counted: str | None = None) -> Iterator[ProgressCallback]:
    """A callback that shows each stage as a bar; nothing is shown until it is called.

    counted: how the names of the stages begin that report pieces; the others report bytes.
    """
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        _AmountColumn(),
        _SpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    tasks: dict[str, TaskID] = {}

    def report(stage: str, done_bytes: int, total_bytes: int) -> None:
        if not tasks:
            bar.start()
        if stage not in tasks:
            pieces = counted is not None and stage.startswith(counted)
            tasks[stage] = bar.add_task(stage, total=None, pieces=pieces)
        bar.update(tasks[stage], completed=done_bytes, total=total_bytes or None)

    try:
        yield report
    finally:
        if tasks:
            bar.stop()


class _AmountColumn(DownloadColumn):
    """Bytes, or pieces."""

    def render(self, task: Task) -> Text:
        if not task.fields["pieces"]:
            return super().render(task)
        total = "?" if task.total is None else f"{task.total:,.0f}"
        return Text(f"{task.completed:,.0f}/{total}", style="progress.download")


class _SpeedColumn(TransferSpeedColumn):
    """Bytes a second; pieces have the time that remains."""

    def render(self, task: Task) -> Text:
        return Text() if task.fields["pieces"] else super().render(task)
