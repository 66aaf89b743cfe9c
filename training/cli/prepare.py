"""``fimls prepare``: from sources of code to a dataset."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import platformdirs

from fimls.cli.options import Invocation
from fimls.cli.progress import progress_bar
from fimls.engines.loading import model_source
from fimls.fim import Budget, Tokenizer
from fimls.store import Store
from training.preparation import Settings, prepare
from training.types import Split


def run(
    invocation: Invocation, settings: Settings, output: Path, *, jobs: int | None, resume: bool
) -> None:
    """Prepare a dataset and say what came of it.

    The snippets are chosen for the prompts of the model that the invocation names: its tokenizer
    counts, its weights aren't loaded.

    settings: without the budget and the tokenizer, which are the model's.
    """
    own = invocation.settings(None)
    tokenizer = _tokenizer(own.model) if settings.context else None
    settings = replace(
        settings,
        budget=Budget(own.prefix_tokens, own.suffix_tokens, own.snippet_tokens),
        tokenizer_sha256=Tokenizer.from_file(tokenizer).sha256 if tokenizer else "",
    )
    with progress_bar() as progress:
        info = prepare(
            settings,
            output,
            sources=platformdirs.user_cache_path("fimls") / "corpus",
            tokenizer=tokenizer,
            jobs=jobs or _processors(),
            progress=progress,
            resume=resume,
        )
    counts = info.counts
    for split in Split:
        count = counts[split.value]
        print(
            f"{split.value:>10}: {count.examples:,} examples of {count.files:,} files",
            file=sys.stderr,
        )
    print(f"what was dropped, and why: {output / 'report.html'}", file=sys.stderr)
    print(output)


def _tokenizer(model: str) -> Path:
    source = model_source(model)
    if isinstance(source, Path) and source.is_dir():
        return source / "tokenizer.json"
    return Store().tokenizer(source)


def _processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
