"""The commands that training adds to ``fimls``: arguments only; the work is done elsewhere.

Heavy libraries are imported by the command that needs them: ``fimls --help`` lists these too.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

_Name = Annotated[str | None, typer.Option("--name", help="Register it under another name.")]


def add_commands(app: typer.Typer) -> tuple[str, ...]:
    """Add ``prepare``, ``train``, ``eval``, ``export`` and ``adapters`` to the application.

    Returns those after which the global options (``--model``, ``--adapter``) may be written too.
    """
    # Not by the functions' names: a module of that name takes its place once it is imported.
    app.command(name="prepare")(_prepare)
    app.command(name="train")(_train)
    app.command(name="eval")(_evaluate)
    app.command(name="export")(_export)
    app.add_typer(_adapters(), name="adapters", help="The adapters kept here, and which serves.")
    return ("prepare", "train", "eval", "export")


def _prepare(  # noqa: PLR0913 - a function argument for each option
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
    data replaced, and what stands in the evaluation suites left out. DATASET/report.html tells what
    was dropped and why. Nothing is fetched unless a SOURCE is an address or a package.
    """
    from training.cli.prepare import run
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
    run(context.obj, settings, output, jobs=jobs, resume=resume)


def _train(  # noqa: PLR0913 - a function argument for each option
    context: typer.Context,
    source: Annotated[
        Path,
        typer.Argument(
            metavar="REPO|DATASET|DIALOGUES.jsonl", help="A repository is prepared first."
        ),
    ],
    *,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="ADAPTER", help="The folder to write.")
    ],
    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="cpu-further, cpu-small, default-gpu, qlora, smollm2, or a TOML file "
            "[default: cpu-further from an adapter, cpu-small from none, default-gpu with CUDA].",
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training split.")] = None,
    tokens: Annotated[int | None, typer.Option(help="Stop after so many.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Stop after about so many.")] = None,
    rank: Annotated[int | None, typer.Option(help="Of the low-rank matrices.")] = None,
    alpha: Annotated[int | None, typer.Option(help="Their scale is alpha / rank.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="At its peak.")] = None,
    method: Annotated[
        Literal["lora", "qlora"] | None, typer.Option(help="qlora: 4-bit base, CUDA only.")
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--recipe-set", metavar="KEY=VALUE", help="Any other key of the recipe."),
    ] = None,
    prompt_format: Annotated[
        str | None,
        typer.Option("--format", help="The prompt format, where the model's name doesn't tell."),
    ] = None,
    start: Annotated[
        str,
        typer.Option(
            metavar="ADAPTER|none",
            help="Go on from an adapter's weights [default: fimls' own for this base, if any].",
        ),
    ] = "",
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="Where to compute.")
    ] = "auto",
    seed: Annotated[int | None, typer.Option(help="Of every choice.")] = None,
    fresh: Annotated[bool, typer.Option(help="Begin anew instead of going on.")] = False,
    tensorboard: Annotated[bool, typer.Option(help="Write ADAPTER/tensorboard too.")] = False,
    canaries: Annotated[
        int, typer.Option(min=0, help="Plant made-up secrets, for `fimls eval --audit`.")
    ] = 0,
) -> None:
    """Tune a LoRA adapter on a repository, watching held-out code and what is forgotten.

    The same command goes on where an interrupted run stopped, to the same weights. The best
    checkpoint is kept. Serve it with `fimls serve --adapter ADAPTER`, judge it with `fimls eval`.

    On several GPUs: `accelerate launch --num-processes 4 --module fimls train DATASET -o ADAPTER`
    (with `--use_fsdp` for a base that doesn't fit into one).
    """
    from fimls.cli.options import parse_assignments
    from training.cli.train import Choice, run

    named = {
        "epochs": epochs,
        "tokens": tokens,
        "minutes": minutes,
        "rank": rank,
        "alpha": alpha,
        "learning_rate": learning_rate,
        "method": method,
        "seed": seed,
    }
    given = {name: value for name, value in named.items() if value is not None}
    changes = {**parse_assignments(assignments or ()), **given}
    choice = Choice(recipe, changes, prompt_format, device, fresh, tensorboard, canaries, start)
    run(context.obj, source, output, choice)


def _evaluate(  # noqa: PLR0913 - a function argument for each option
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
    from training.cli import eval as command
    from training.evaluation.evaluate import Request
    from training.evaluation.run import Choice

    if compare is not None:
        command.run_compare(*compare, seed=seed)
        return
    if list_suites:
        command.list_suites()
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
        choice=Choice(limit, one_per_cluster, tuple(kinds or ()), seed),
        per_kind=per_kind,
        python=python,
        tests=tuple(tests or ()),
        gate=margin / 100 if gate else None,
        general=general,
        audit=audit,
        fresh=fresh,
    )
    command.run(context.obj, request if jobs is None else replace(request, jobs=jobs))


def _export(  # noqa: PLR0913 - a function argument for each option
    context: typer.Context,
    adapter: Annotated[str, typer.Argument(help="A folder, or a registered name.")],
    *,
    to: Annotated[Literal["hf", "gguf", "openvino"], typer.Option(help="The format.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FOLDER", help="The folder to write.")
    ],
    quantization: Annotated[
        str | None, typer.Option(help="gguf: q8_0, q4_0, f16; openvino: int8, q8_0, q4_0.")
    ] = None,
    check: Annotated[
        int, typer.Option(min=0, help="Compare the engines' greedy outputs on so many prompts.")
    ] = 0,
    code: Annotated[
        Path | None, typer.Option(help="Code to make those prompts of [default: Python's own].")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the prompts.")] = 0,
) -> None:
    """Merge an adapter into its base, for another program."""
    from training.cli.export import run

    model = context.obj.overrides.get("model")
    run(
        adapter,
        output,
        to=to,
        quantization=quantization,
        model=model,
        check=check,
        code=code,
        seed=seed,
    )


def _adapters() -> typer.Typer:
    group = typer.Typer(no_args_is_help=True)

    @group.command("list")
    def list_(*, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
        """List the registered adapters."""
        from training.cli import adapters

        adapters.list_adapters(as_json=as_json)

    @group.command()
    def add(folder: Path, *, name: _Name = None) -> None:
        """Keep a copy of an adapter here, under a name."""
        from training.cli import adapters

        adapters.add(folder, name)

    @group.command()
    def remove(name: str) -> None:
        """Delete a registered adapter."""
        from training.cli import adapters

        adapters.remove(name)

    @group.command()
    def promote(adapter: str, *, name: _Name = None) -> None:
        """Serve with an adapter from now on; running servers follow."""
        from training.cli import adapters

        adapters.promote_adapter(adapter, name)

    @group.command()
    def rollback(
        base: Annotated[str | None, typer.Argument(help="The base model.")] = None,
    ) -> None:
        """Serve again with what served before."""
        from training.cli import adapters

        adapters.rollback(base)

    return group
