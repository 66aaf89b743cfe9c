"""``fimls train``: a repository or a dataset in, an adapter out."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from training.batches import ExampleSource
    from training.dataset import Dataset
    from training.tuning.checkpoint import RunState
    from training.tuning.job import Corpus
    from training.tuning.recipe import Recipe
    from training.types import FimExample


def train(  # noqa: PLR0913 - a function argument for each option
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
    from fimls.config import NO_ADAPTER
    from fimls.store import Store
    from training.dataset import Dataset
    from training.dialogue import DIALOGUES_SUFFIX, DialogueSource
    from training.evaluation.memorisation import make_canaries, write_canaries
    from training.evaluation.traces import Traces
    from training.tuning.base import find_base, starting_adapter, starting_folder
    from training.tuning.general import MixedSource, general_examples
    from training.tuning.recipe import default_recipe, load_recipe
    from training.types import Split

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
    model = context.obj.settings(None).model
    dialogues = source.suffix == DIALOGUES_SUFFIX
    base = find_base(model, Store(), format_name=prompt_format, dialogues=dialogues)
    # fimls' own adapter fills in; dialogues gain nothing from it, so it has to be asked for.
    if dialogues and not start:
        start = NO_ADAPTER
    goes_on = starting_folder(start, base) is not None
    name = recipe or default_recipe(cuda=_has_cuda(device), goes_on=goes_on)
    chosen = load_recipe(name).with_changes(changes, source="the command line")
    dataset = None if dialogues else Dataset.open(_dataset_folder(source, output, model, chosen))
    started = starting_adapter(start, base, chosen)
    planted = make_canaries(canaries, chosen.seed)
    examples: ExampleSource[Any] = DialogueSource(source) if dataset is None else dataset
    general: list[FimExample] = []
    if dataset is not None:
        share = chosen.general_share
        count = round(dataset.count(Split.TRAIN) * share / (1 - share))
        general = general_examples(count, seed=chosen.seed) if count else []
        examples = MixedSource(dataset, [*general, *planted])

    from training.tuning.job import Job  # it imports torch
    from training.tuning.run import train as tune

    job = Job(
        source=examples,
        corpus=_corpus_of(dataset, source),
        base=base,
        recipe=chosen,
        output=output,
        device=device,
        fresh=fresh,
        tensorboard=tensorboard,
        dialogues=dialogues,
        start=started,
    )
    try:
        state = tune(job)
    except KeyboardInterrupt:
        print("saved; the same command goes on from here", file=sys.stderr)
        raise
    if dataset is not None:
        # What `fimls eval` finds leaks and memorised code by.
        others = {one.file.path: one.file for one in general}.values()
        Traces.of((*dataset.files(Split.TRAIN), *others)).write(output)
        write_canaries(planted, output)
    _report(state)
    print(f"fimls serve --adapter {output}")


def _corpus_of(dataset: Dataset | None, source: Path) -> Corpus:
    from fimls.files import file_sha256
    from training.tuning.job import Corpus

    if dataset is None:
        return Corpus(
            sha256=file_sha256(source), settings={"dialogues": source.name}, repositories=()
        )
    repositories = dataset.info.repositories
    # An adapter is passed on: it names what it was trained on, not where that lay.
    settings = {**dataset.info.settings, "sources": [one.name for one in repositories]}
    return Corpus(
        sha256=dataset.sha256,
        settings=settings,
        repositories=tuple(asdict(one) for one in repositories),
    )


def _report(state: RunState) -> None:
    speed = state.tokens / max(state.seconds, 1e-9)
    print(f"{state.step} steps, {state.tokens:,} tokens, {speed:,.0f} tokens/s", file=sys.stderr)
    if state.best_loss is not None:
        print(
            f"held-out loss {state.first['heldout_loss']:.3f} -> {state.best_loss:.3f}, "
            f"at step {state.best_step}, which is kept",
            file=sys.stderr,
        )


def _has_cuda(device: str) -> bool:
    if device == "cpu":
        return False
    import torch

    return bool(torch.cuda.is_available())


def _dataset_folder(source: Path, output: Path, model: str, recipe: Recipe) -> Path:
    """The dataset, prepared first where ``source`` is a repository."""
    from fimls.cli.options import Invocation
    from training.cli.prepare import write_dataset
    from training.dataset.format import INFO_NAME, STARTED_NAME
    from training.preparation import Settings
    from training.types import TrainingError

    if (source / INFO_NAME).exists():
        return source
    folder = output / "dataset"
    if (folder / INFO_NAME).exists():
        return folder
    if not source.exists():
        raise TrainingError(
            f"there is no {source}", hint="name a repository, or a folder that `prepare` wrote"
        )
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise TrainingError(
            f"{source} is not a dataset, and several processes can't prepare one together",
            hint=f"first: fimls prepare {source} -o DATASET",
        )
    windows = ("prefix_tokens", "suffix_tokens", "snippet_tokens")
    serving = Invocation({"model": model, **{name: getattr(recipe, name) for name in windows}})
    settings = Settings(sources=(str(source),), seed=recipe.seed)
    write_dataset(serving, settings, folder, resume=(folder / STARTED_NAME).exists())
    return folder
