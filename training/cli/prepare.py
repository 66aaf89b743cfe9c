"""``fimls prepare``: from sources of code to a dataset."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from fimls.cli.options import Invocation
    from training.preparation import Settings


def prepare(  # noqa: PLR0913 - a function argument for each option
    context: typer.Context,
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="A folder, a git address, an archive, pypi:NAME[==VERSION], or a JSON list of "
            "packages.",
        ),
    ],
    *,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DATASET", help="The folder to write.")
    ],
    public: Annotated[
        bool, typer.Option(help="Other people's code: only under a permissive licence.")
    ] = False,
    split: Annotated[
        Literal["file", "function", "repository"],
        typer.Option(help="What goes to one side as a whole; near-duplicates always do."),
    ] = "file",
    holdout: Annotated[float, typer.Option(min=0, max=0.9, help="Share kept for tests.")] = 0.1,
    validation: Annotated[
        float, typer.Option(min=0, max=0.5, help="Share watched while tuning.")
    ] = 0.05,
    newest: Annotated[
        bool, typer.Option(help="Hold out what the newest commits touched (git).")
    ] = False,
    examples: Annotated[
        int | None, typer.Option(min=1, help="At most so many, spread over all files.")
    ] = None,
    spans_per_kb: Annotated[
        float | None,
        typer.Option(min=0.001, help="Middles a kilobyte of code [default: by the corpus' size]."),
    ] = None,
    mix: Annotated[
        str,
        typer.Option(
            metavar="KIND=WEIGHT,...", help="Kinds of middles, e.g. block=2,characters=1."
        ),
    ] = "",
    with_context: Annotated[
        bool, typer.Option("--context/--no-context", help="With other files' snippets, as served.")
    ] = True,
    tests: Annotated[bool, typer.Option("--tests/--no-tests", help="Test files too.")] = True,
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Leave out; may be repeated.")
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes [default: all cores].")] = None,
    seed: Annotated[int, typer.Option(help="Of every choice.")] = 0,
    resume: Annotated[bool, typer.Option(help="Go on with an interrupted run.")] = False,
) -> None:
    """Turn code into a dataset of middles, each with the context that serving would have.

    Generated, vendored, minified, data-like and duplicate files are dropped, secrets and personal
    data replaced, and what is in the evaluation suites left out. DATASET/report.html tells what
    was dropped and why. Nothing is fetched unless a SOURCE is an address or a package.
    """
    from training.corpus import Limits
    from training.preparation import MAX_FILE_BYTES, Settings
    from training.spans import DEFAULT_MIX, parse_mix

    settings = Settings(
        sources=tuple(sources),
        public=public,
        split=split,
        holdout=holdout,
        validation=validation,
        newest=newest,
        examples=examples,
        spans_per_kb=spans_per_kb,
        mix=parse_mix(mix) if mix else dict(DEFAULT_MIX),
        context=with_context,
        limits=Limits(MAX_FILE_BYTES, tests=tests, exclude=tuple(exclude or ())),
        seed=seed,
    )
    write_dataset(context.obj, settings, output, jobs=jobs, resume=resume)
    print(output)


def write_dataset(
    invocation: Invocation,
    settings: Settings,
    output: Path,
    *,
    jobs: int | None = None,
    resume: bool = False,
) -> None:
    """Prepare a dataset and say on standard error what came of it.

    The snippets are chosen for the prompts of the model that ``invocation`` names, whatever budget
    and tokenizer ``settings`` have: its tokenizer counts, its weights aren't loaded.
    """
    import platformdirs

    from fimls.fim import Budget, Tokenizer
    from fimls.progress import progress_bar
    from training.preparation import prepare
    from training.types import Split

    serving = invocation.settings(None)
    tokenizer = _tokenizer(serving.model) if settings.context else None
    settings = replace(
        settings,
        budget=Budget(serving.prefix_tokens, serving.suffix_tokens, serving.snippet_tokens),
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
    for split in Split:
        count = info.counts[split.value]
        print(
            f"{split.value:>10}: {count.examples:,} examples of {count.files:,} files",
            file=sys.stderr,
        )
    print(f"what was dropped, and why: {output / 'report.html'}", file=sys.stderr)


def _tokenizer(model: str) -> Path:
    from fimls.engines.loading import model_source
    from fimls.store import Store

    source = model_source(model)
    if isinstance(source, Path) and source.is_dir():
        return source / "tokenizer.json"
    return Store().tokenizer(source)


def _processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
