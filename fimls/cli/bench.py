"""``fimls bench keystrokes``: what a typist feels, measured."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from fimls.cli.options import Invocation
from fimls.replay.compare import compare, read_report
from fimls.replay.page import render_page
from fimls.replay.plan import Plan, make_plan
from fimls.replay.replay import OnTyped, Replay, Run, server_options
from fimls.replay.report import make_report, summary, write_report
from fimls.replay.repository import read_repository
from fimls.replay.session import Habits
from fimls.replay.table import HEADINGS, comparison, suppressed, table

_FUNCTIONS = 30
_FUNCTIONS_A_MINUTE = 3  # nobody types more
_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Choice:
    """What is typed: how many functions (None: 30, or enough for ``minutes``), of which languages.

    minutes: of typing, after which the run ends; None: when the functions are done.
    """

    functions: int | None = None
    seed: int = 0
    minutes: float | None = None
    languages: tuple[str, ...] = ()

    @property
    def wanted(self) -> int:
        """How many functions to plan."""
        if self.functions is not None:
            return self.functions
        return max(_FUNCTIONS, round(_FUNCTIONS_A_MINUTE * (self.minutes or 0)))


def run(
    invocation: Invocation,
    folders: Sequence[Path],
    *,
    choice: Choice,
    habits: Habits,
    output: Path | None,
    record: Path | None,
    feedback: Path | None,
) -> None:
    """Replay, and print the report; the last line of standard output is JSON.

    Raises:
        typer.Exit: with 130 when it was interrupted, with 1 when the server failed; what was typed
            until then is reported all the same.
        FimlsError: nothing can be typed, or the server doesn't start.
    """
    invocation.settings(None)  # a wrong option ends here, not in the server's log
    repositories = [
        read_repository(folder, choice.languages, seed=choice.seed) for folder in folders
    ]
    plan = make_plan(repositories, functions=choice.wanted, seed=choice.seed)
    options = {
        **asdict(choice),
        **asdict(habits),
        "settings": dict(invocation.overrides),
    }
    with record.open("w", encoding="utf-8") if record else nullcontext() as rows, _bar(plan) as bar:
        replay = Replay(
            plan,
            habits,
            server_options(invocation.overrides),
            record=rows,
            feedback=feedback,
            on_typed=bar,
        )
        found, interrupted = asyncio.run(_replay(replay, choice.minutes))
    if found.failure is not None and not found.rows:
        raise found.failure
    report = make_report(plan, found, options, interrupted=interrupted)
    if output is not None:
        write_report(report, output, render_page(report))
    _print_report(report)
    print(summary(report))
    if found.failure is not None:
        print(f"error: {found.failure}", file=sys.stderr)
        if found.failure.hint:
            print(f"hint: {found.failure.hint}", file=sys.stderr)
    if interrupted or found.failure is not None:
        raise typer.Exit(_INTERRUPTED if interrupted else 1)


def run_compare(before: Path, after: Path, *, seed: int) -> None:
    """Print what the second of two reports changed; the last line of standard output is JSON.

    Raises:
        ConfigError: they can't be compared.
    """
    found = compare(read_report(before), read_report(after), seed=seed)
    counts = {scope: found["scopes"][scope]["functions"] for scope in HEADINGS}
    _print_table(comparison(found["scopes"]), counts)
    print(json.dumps(found))


async def _replay(replay: Replay, minutes: float | None) -> tuple[Run, bool]:
    """Run until it is done, the time is up or the person interrupts; a second time kills."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        interrupted = True
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)

    loop.add_signal_handler(signal.SIGINT, interrupt)
    if minutes is not None:
        loop.call_later(60 * minutes, stop.set)
    try:
        found = await replay.run(stop)
    finally:
        loop.remove_signal_handler(signal.SIGINT)
    return found, interrupted


@contextmanager
def _bar(plan: Plan) -> Iterator[OnTyped]:
    """A bar of the characters that stand, with the time that is left."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    typed: dict[str, int] = {}
    with bar:
        total = sum(len(task.body) for task in plan.tasks)
        shown = bar.add_task("starting the server", total=total)

        def report(name: str, characters: int) -> None:
            typed[name] = characters
            function = name.rpartition(":")[2]
            bar.update(shown, completed=sum(typed.values()), description=f"typing {function}")

        yield report


def _print_report(report: dict[str, Any]) -> None:
    console = Console(stderr=True, highlight=False)
    figures = report["figures"]
    counts = {scope: figures[scope]["functions"] for scope in HEADINGS}
    _print_table(table(figures), counts)
    for reason, *cells in suppressed(figures):
        console.print(f"nothing shown, {reason}: {' / '.join(cells)}", soft_wrap=True, markup=False)
    memory = report["memory"]
    if memory["peak_bytes"] is not None:
        growth = "" if memory["growth"] is None else f", growth {memory['growth']:+.1%}"
        console.print(f"memory: peak {memory['peak_bytes'] / 2**20:,.0f} MiB{growth}")
    for note in report["notes"]:
        console.print(f"note: {note}", soft_wrap=True, markup=False)


def _print_table(rows: Sequence[Sequence[str]], functions: dict[str, int]) -> None:
    shown = Table("", *(f"{HEADINGS[scope]} ({count})" for scope, count in functions.items()))
    for row in rows:
        shown.add_row(*row)
    Console(stderr=True, highlight=False).print(shown)
