"""How long-running work reports where it is, and the bar on standard error that shows it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol


class Progress(Protocol):
    """Called often, from the thread that does the work; must return fast and not raise."""

    def __call__(self, stage: str, done: int, total: int, /) -> None:
        """``stage``: what is being done, in words for a person.

        ``done`` of ``total`` bytes, or pieces, are done; both are 0 where the extent is unknown.
        """
        ...


def silent(stage: str, done: int, total: int) -> None:
    """Report nothing."""


@contextmanager
def progress_bar(counted: str | None = None) -> Iterator[Progress]:
    """A callback that shows each stage as a bar; nothing is shown until it is called.

    counted: how the names of the stages begin that report pieces; the others report bytes.
    """
    tasks: dict[str, Any] = {}
    bars: Any = None

    def report(stage: str, done: int, total: int) -> None:
        nonlocal bars
        if bars is None:
            bars = _bars()
            bars.start()
        if stage not in tasks:
            pieces = counted is not None and stage.startswith(counted)
            tasks[stage] = bars.add_task(stage, total=None, pieces=pieces)
        bars.update(tasks[stage], completed=done, total=total or None)

    try:
        yield report
    finally:
        if bars is not None:
            bars.stop()


def _bars() -> Any:
    # Imported here: the store reports progress too, and a server draws no bars.
    from rich import progress
    from rich.console import Console
    from rich.text import Text

    class Amount(progress.DownloadColumn):
        """Bytes, or pieces."""

        def render(self, task: progress.Task) -> Text:
            if not task.fields["pieces"]:
                return super().render(task)
            total = "?" if task.total is None else f"{task.total:,.0f}"
            return Text(f"{task.completed:,.0f}/{total}", style="progress.download")

    class Speed(progress.TransferSpeedColumn):
        """Bytes a second; pieces have the time that remains."""

        def render(self, task: progress.Task) -> Text:
            return Text() if task.fields["pieces"] else super().render(task)

    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        Amount(),
        Speed(),
        progress.TimeRemainingColumn(),
        console=Console(stderr=True),
    )
