"""The commands that training adds to ``fimls``, one in each file.

Heavy libraries are imported inside functions: ``fimls --help`` lists these commands too.
"""

from __future__ import annotations

import typer


def add_commands(app: typer.Typer) -> tuple[str, ...]:
    """Add ``prepare``, ``train``, ``eval``, ``export``, ``bench`` and ``adapters``.

    Returns those after which the global options (``--model``, ``--adapter``) may be written too.
    """
    from training.cli import adapters, bench, evaluate, export, prepare, train

    app.command(name="prepare")(prepare.prepare)
    app.command(name="train")(train.train)
    app.command(name="eval")(evaluate.evaluate)
    app.command(name="export")(export.export)
    app.add_typer(bench.app, name="bench", help="Measure what a typist feels.")
    app.add_typer(adapters.app, name="adapters", help="The adapters kept here, and which serves.")
    return ("prepare", "train", "eval", "export", "bench")
