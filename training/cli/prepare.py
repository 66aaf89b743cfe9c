"""``fimls prepare``: from sources of code to a dataset."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from fimls.cli.options import Invocation
from fimls.engines.loading import model_source
from fimls.fim import Budget, Tokenizer
from fimls.progress import progress_bar
from fimls.store import Store
from training.corpus import Limits, SplitUnit
from training.preparation import MAX_FILE_BYTES, Places, Settings, prepare
from training.spans import DEFAULT_MIX, parse_mix
from training.types import Split


@dataclass(frozen=True, slots=True)
class Choice:
    """The command's options, as they were given; see its ``--help``."""

    public: bool = False
    split: SplitUnit = "file"
    holdout: float = 0.1
    validation: float = 0.05
    newest: bool = False
    examples: int | None = None
    spans_per_kb: float | None = None
    mix: str = ""
    context: bool = True
    seed: int = 0
    exclude: Sequence[str] = ()
    tests: bool = True


def run(
    invocation: Invocation,
    sources: Sequence[str],
    output: Path,
    choice: Choice,
    *,
    jobs: int | None,
    resume: bool,
) -> None:
    """Prepare a dataset and say what came of it.

    The snippets are chosen for the prompts of the model that the settings name: its tokenizer
    counts, its weights aren't loaded.
    """
    own = invocation.settings(None)
    tokenizer = _tokenizer(own.model) if choice.context else None
    settings = Settings(
        sources=tuple(sources),
        public=choice.public,
        split=choice.split,
        holdout=choice.holdout,
        validation=choice.validation,
        newest=choice.newest,
        examples=choice.examples,
        spans_per_kb=choice.spans_per_kb,
        mix=parse_mix(choice.mix) if choice.mix else dict(DEFAULT_MIX),
        context=choice.context,
        budget=Budget(own.prefix_tokens, own.suffix_tokens, own.snippet_tokens),
        tokenizer_sha256=Tokenizer.from_file(tokenizer).sha256 if tokenizer else "",
        limits=Limits(MAX_FILE_BYTES, tests=choice.tests, exclude=tuple(choice.exclude)),
        seed=choice.seed,
    )
    places = Places(output, platformdirs.user_cache_path("fimls") / "corpus", tokenizer)
    with progress_bar() as progress:
        info = prepare(
            settings, places, jobs=jobs or _processors(), progress=progress, resume=resume
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
