"""``fimls bench keystrokes``: what a typist feels, measured."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from training.evaluation.typing.run import Replay, Run

app = typer.Typer(no_args_is_help=True)

_FUNCTIONS = 30
_FUNCTIONS_A_MINUTE = 3  # more than a person types
_INTERRUPTED = 130


@app.callback()
def _bench() -> None:
    """Measure what a typist feels."""


@app.command()
def keystrokes(  # noqa: PLR0913 - a function argument for each option
    context: typer.Context,
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FOLDER...", help="Repositories whose functions are typed."),
    ] = None,
    *,
    functions: Annotated[
        int | None, typer.Option(min=1, help="How many [default: 30, or enough for --minutes].")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the choice, the rhythm and the intervals.")] = 0,
    minutes: Annotated[
        float | None, typer.Option(min=0.01, help="Stop after so many minutes.")
    ] = None,
    language: Annotated[
        list[str] | None, typer.Option(help="Only this languageId; may be repeated.")
    ] = None,
    pace: Annotated[
        Literal["human", "wait"],
        typer.Option(help="human: in real time. wait: each key waits for its answer."),
    ] = "human",
    looks: Annotated[
        Literal["key", "word", "line"], typer.Option(help="Where the server is asked.")
    ] = "key",
    read_ms: Annotated[
        int, typer.Option(min=0, help="From seeing a suggestion to taking it.")
    ] = 250,
    close_brackets: Annotated[
        bool, typer.Option(help="The editor closes brackets, as VS Code does.")
    ] = True,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="Write report.json and report.html."),
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a JSON line for each answered request."),
    ] = None,
    feedback: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Keep statistics there: `XDG_STATE_HOME=DIR fimls stats`."
        ),
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="BEFORE AFTER", help="Compare two report.json of one plan instead."),
    ] = None,
) -> None:
    """Type real functions against the real server, at human rhythm, and report what came of it.

    The folders are copied and never written to. The last line of standard output is JSON.
    """
    from fimls.progress import progress_bar
    from training.evaluation.repository import read_repository
    from training.evaluation.typing import figures
    from training.evaluation.typing import report as reports
    from training.evaluation.typing.plan import make_plan
    from training.evaluation.typing.run import Replay, server_options
    from training.evaluation.typing.session import Habits

    if compare is not None:
        before, after = map(reports.read_report, compare)
        changes = figures.compare(before, after, seed=seed)
        reports.print_comparison(changes)
        print(json.dumps(changes))
        return
    if not folders:
        raise typer.BadParameter("give at least one folder", param_hint="FOLDER")
    context.obj.settings(None)  # a wrong option ends here, not in the server's log
    languages = tuple(language or ())
    plan = make_plan(
        [read_repository(folder, languages, seed=seed) for folder in folders],
        functions=functions or max(_FUNCTIONS, round(_FUNCTIONS_A_MINUTE * (minutes or 0))),
        seed=seed,
    )
    habits = Habits(pace, looks, read_ms, close_brackets)
    settings = dict(context.obj.overrides)
    with (
        record.open("w", encoding="utf-8") if record else nullcontext() as rows,
        progress_bar("typing") as progress,
    ):
        replay = Replay(
            plan,
            habits,
            server_options(settings),
            record=rows,
            feedback=feedback,
            progress=progress,
        )
        found, interrupted = asyncio.run(_until_interrupted(replay, minutes))
    if found.failure is not None and not found.rows:
        raise found.failure
    chosen = {"functions": functions, "seed": seed, "minutes": minutes, "languages": languages}
    options = {**chosen, **asdict(habits), "settings": settings}
    report = reports.make_report(plan, found, options, interrupted=interrupted)
    if output is not None:
        reports.write_report(report, output)
    reports.print_report(report)
    print(reports.summary(report))
    if found.failure is not None:
        print(f"error: {found.failure}", file=sys.stderr)
        if found.failure.hint:
            print(f"hint: {found.failure.hint}", file=sys.stderr)
    if interrupted or found.failure is not None:
        raise typer.Exit(_INTERRUPTED if interrupted else 1)


async def _until_interrupted(replay: Replay, minutes: float | None) -> tuple[Run, bool]:
    """Run until it is done, the time is up or the person interrupts; a second time kills.

    Returns what was found, and whether it was interrupted.
    """
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
