"""``fimls eval``: numbers that hold up, and the gate that uses them."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from fimls.cli.options import Invocation
from fimls.config import Settings
from fimls.progress import progress_bar
from training.evaluation import tables
from training.evaluation.evaluate import Request, evaluate
from training.evaluation.markdown import render_markdown
from training.evaluation.page import render_page
from training.evaluation.report import compare_reports, make_report, summary, write_report
from training.evaluation.suites import NAMED, OF_PATHS

_REFUSED = 1


def run(invocation: Invocation, request: Request) -> None:
    """Evaluate, print the figures, write the report; the last line of standard output is JSON.

    Raises:
        typer.Exit: with 1 where the gate refuses.
        FimlsError: something can't be used.
    """
    settings: Settings = invocation.settings(None, deadline_ms=0)
    if not request.adapter:
        request = replace(request, adapter=settings.adapter)
    with progress_bar() as progress, progress_bar(counted="") as answered:

        def on_done(suite: str, label: str, done: int, total: int) -> None:
            answered(f"{suite}, {label}", done, total)

        done = asyncio.run(evaluate(request, settings, progress=progress, on_done=on_done))
    report = make_report(done)
    write_report(report, request.output, page=render_page(report), markdown=render_markdown(report))
    if done.decision is not None and done.decision.promote:
        _promote(request.adapter)
    _print(tables.overview(report))
    for comparison in report["comparisons"]:
        _print(tables.changes(comparison))
    for one in report["runs"]:
        for division in tables.divisions(one):
            _print(tables.by_division(one, division, brief=True))
    if report["memory"]:
        _print(tables.memory(report["memory"]))
    print(f"report: {request.output / 'report.html'}", file=sys.stderr)
    if done.decision is not None:
        print(done.decision.sentence, file=sys.stderr)
    print(summary(report))
    if done.decision is not None and not done.decision.promote:
        raise typer.Exit(_REFUSED)


def run_compare(before: Path, after: Path, *, seed: int) -> None:
    """Print what the second of two reports changed; the last line of standard output is JSON.

    Raises:
        EvaluationError: they can't be compared.
    """
    found = compare_reports(before, after, seed=seed)
    for comparison in found:
        Console(stderr=True, highlight=False).print(comparison["suite"])
        _print(tables.changes(comparison))
    print(json.dumps({"name": "evaluation-comparison", "comparisons": found}))


def list_suites() -> None:
    """Print what can be evaluated."""
    for name, named in NAMED.items():
        print(f"{name:32}{named.about}")
    for name, of_path in OF_PATHS.items():
        print(f"{name + ':PATH':32}{of_path.about}")


def _promote(adapter: str) -> None:
    from fimls.store.adapters import promote

    promote(adapter)


def _print(table: tables.Table) -> None:
    headings, rows = table
    shown = Table(*headings)
    for row in rows:
        shown.add_row(*row)
    Console(stderr=True, highlight=False).print(shown)
