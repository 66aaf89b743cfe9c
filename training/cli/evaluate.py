"""``fimls eval``: numbers that hold up, and the gate that uses them."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from fimls.cli.options import Invocation
    from training.evaluation.evaluate import Request

_REFUSED = 1


def evaluate(  # noqa: PLR0913 - a function argument for each option
    context: typer.Context,
    suites: Annotated[
        list[str] | None,
        typer.Argument(metavar="SUITE|REPO|DATASET...", help="See --list."),
    ] = None,
    *,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="REPORT", help="The report's folder.")
    ] = Path("fimls-eval"),
    list_suites: Annotated[bool, typer.Option("--list", help="List the suites.")] = False,
    baseline: Annotated[
        str | None,
        typer.Option(metavar="ADAPTER|none", help="Compare with it, item by item."),
    ] = None,
    gate: Annotated[
        bool, typer.Option("--gate", help="Promote the adapter if it is better; exit 1 if not.")
    ] = False,
    margin: Annotated[
        float, typer.Option(min=0, max=100, help="Points that the general suite may lose.")
    ] = 5.0,
    general: Annotated[
        str, typer.Option(metavar="SUITE", help="Shows what is forgotten [--gate has one].")
    ] = "",
    raw: Annotated[bool, typer.Option("--raw", help="Without post-processing.")] = False,
    answers: Annotated[
        Literal["model", "reference", "empty"], typer.Option(help="reference: check the harness.")
    ] = "model",
    candidates: Annotated[
        int, typer.Option(min=1, max=8, help="How many; the best ranked is judged, pass@k too.")
    ] = 1,
    limit: Annotated[int | None, typer.Option(min=1, help="A seeded sample of so many.")] = None,
    one_per_cluster: Annotated[
        bool, typer.Option("--one-per-problem", help="One item of each problem or file.")
    ] = False,
    kinds: Annotated[
        list[str] | None, typer.Option("--kind", help="Only this one; may be repeated.")
    ] = None,
    per_kind: Annotated[
        int, typer.Option(min=1, help="Items of each kind from a repository or dataset.")
    ] = 50,
    python: Annotated[
        Path | None, typer.Option(help="The interpreter that runs the repository's tests.")
    ] = None,
    tests: Annotated[
        list[str] | None, typer.Option("--tests", metavar="PATH", help="Where its tests are.")
    ] = None,
    audit: Annotated[
        bool, typer.Option("--audit", help="Ask for what must not have been memorised.")
    ] = False,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes that score.")] = None,
    seed: Annotated[int, typer.Option(help="Of the samples and the intervals.")] = 0,
    fresh: Annotated[bool, typer.Option(help="Begin anew instead of going on.")] = False,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="BEFORE AFTER", help="Compare two reports instead."),
    ] = None,
) -> None:
    """Ask for held-out middles through the shipped completer, and judge what comes.

    Repositories' own tests run in a sandbox. REPORT/report.html has tables, plots and examples, the
    worst first. An interrupted run goes on; the same seed gives the same report.
    """
    from training.evaluation.evaluate import Request
    from training.evaluation.suites import Choice

    if compare is not None:
        compare_folders(*compare, seed=seed)
        return
    if list_suites:
        print_suites()
        return
    if not suites:
        raise typer.BadParameter("name a suite, a repository or a dataset; --list shows what")
    request = Request(
        suites=tuple(suites),
        output=output,
        baseline=baseline,
        raw=raw,
        answers=answers,
        candidates=candidates,
        choice=Choice(
            limit=limit,
            one_per_cluster=one_per_cluster,
            kinds=tuple(kinds or ()),
            seed=seed,
            per_kind=per_kind,
            python=python,
            tests=tuple(tests or ()),
        ),
        gate=margin / 100 if gate else None,
        general=general,
        audit=audit,
        fresh=fresh,
    )
    run(context.obj, request if jobs is None else replace(request, jobs=jobs))


def run(invocation: Invocation, request: Request) -> None:
    """Evaluate, print the figures, write the report; the last line of standard output is JSON.

    Raises:
        typer.Exit: with 1 where the gate refuses.
        FimlsError: something can't be used.
    """
    from fimls.progress import progress_bar
    from fimls.report.page import print_table
    from fimls.store.adapters import promote
    from training.evaluation import tables
    from training.evaluation.evaluate import evaluate
    from training.evaluation.page import render_markdown, render_page
    from training.evaluation.report import summary, write_report

    settings = invocation.settings(None, deadline_ms=0)
    with progress_bar() as progress, progress_bar(counted="") as answered:

        def on_done(suite: str, label: str, done: int, total: int) -> None:
            answered(f"{suite}, {label}", done, total)

        report = asyncio.run(evaluate(request, settings, progress=progress, on_done=on_done))
    gate = report["gate"]
    write_report(report, request.output, page=render_page(report), markdown=render_markdown(report))
    if gate is not None and gate["promote"]:
        promote(settings.adapter)
    print_table(tables.overview(report))
    for comparison in report["comparisons"]:
        print_table(tables.changes(comparison))
    for one in report["runs"]:
        for division in tables.divisions(one):
            print_table(tables.by_division(one, division, brief=True))
    if report["memory"]:
        print_table(tables.memory(report["memory"]))
    print(f"report: {request.output / 'report.html'}", file=sys.stderr)
    if gate is not None:
        print(gate["sentence"], file=sys.stderr)
    print(summary(report))
    if gate is not None and not gate["promote"]:
        raise typer.Exit(_REFUSED)


def compare_folders(before: Path, after: Path, *, seed: int) -> None:
    """Print what the second of two reports changed; the last line of standard output is JSON.

    Raises:
        EvaluationError: they can't be compared.
    """
    from rich.console import Console

    from fimls.report.page import print_table
    from training.evaluation import tables
    from training.evaluation.report import compare_reports

    found = compare_reports(before, after, seed=seed)
    for comparison in found:
        Console(stderr=True, highlight=False).print(comparison["suite"])
        print_table(tables.changes(comparison))
    print(json.dumps({"name": "evaluation-comparison", "comparisons": found}))


def print_suites() -> None:
    """Print what can be evaluated."""
    from training.evaluation.suites import NAMED, OF_PATHS

    for name, named in NAMED.items():
        print(f"{name:32}{named.about}")
    for name, of_path in OF_PATHS.items():
        print(f"{name + ':PATH':32}{of_path.about}")
