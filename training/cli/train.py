"""``fimls train``: a repository or a dataset in, an adapter out."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fimls.cli.options import Invocation
from fimls.config import NO_ADAPTER
from fimls.store import Store
from fimls.store.hashes import file_sha256
from training.batches import ExampleSource
from training.dataset import Dataset
from training.dataset.format import INFO_NAME, STARTED_NAME
from training.dialogue import DIALOGUES_SUFFIX, DialogueSource
from training.evaluation.memorisation import make_canaries, write_canaries
from training.evaluation.traces import Traces
from training.tuning.base import find_base, starting_adapter, starting_folder
from training.tuning.general import MixedSource, general_examples
from training.tuning.output import Corpus
from training.tuning.recipe import Recipe, default_recipe, load_recipe
from training.types import FimExample, Split, TrainingError

if TYPE_CHECKING:  # it imports torch
    from training.tuning.checkpoint import RunState


@dataclass(frozen=True, slots=True)
class Choice:
    """The command's options, as they were given; see its ``--help``.

    recipe: a name or a file; None: the device's default. changes: of the recipe, by its keys.
    format: the prompt format's row, where the model's name doesn't tell. start: the adapter to
    begin from. canaries: how many made-up secrets to plant.
    """

    recipe: str | None = None
    changes: Mapping[str, object] = field(default_factory=dict)
    format: str | None = None
    device: str = "auto"
    fresh: bool = False
    tensorboard: bool = False
    canaries: int = 0
    start: str = ""


def run(invocation: Invocation, source: Path, output: Path, choice: Choice) -> None:
    """Train, or go on, and say on standard output how to use the adapter.

    source: a dataset's folder; a repository, which is prepared into ``output``/dataset first; or a
    JSONL file of dialogues.

    Raises:
        FimlsError: what can't be done, and why. KeyboardInterrupt: the run was saved.
    """
    model = invocation.settings(None).model
    dialogues = source.suffix == DIALOGUES_SUFFIX
    base = find_base(model, Store(), format_name=choice.format, dialogues=dialogues)
    # fimls' own adapter fills in; dialogues have nothing of it, unless somebody wants that.
    started = NO_ADAPTER if dialogues and not choice.start else choice.start
    goes_on = starting_folder(started, base) is not None
    name = choice.recipe or default_recipe(cuda=_has_cuda(choice.device), goes_on=goes_on)
    recipe = load_recipe(name).with_changes(choice.changes, source="the command line")
    dataset = None if dialogues else Dataset.open(_dataset_folder(source, output, model, recipe))
    start = starting_adapter(started, base, recipe)
    planted = make_canaries(choice.canaries, recipe.seed)
    examples: ExampleSource[Any] = DialogueSource(source) if dataset is None else dataset
    general: list[FimExample] = []
    if dataset is not None:
        share = recipe.general_share
        count = round(dataset.count(Split.TRAIN) * share / (1 - share))
        general = general_examples(count, seed=recipe.seed) if count else []
        examples = MixedSource(dataset, [*general, *planted])

    from training.tuning.run import Job, train

    job = Job(
        examples,
        _corpus_of(dataset, source),
        base,
        recipe,
        output,
        choice.device,
        choice.fresh,
        choice.tensorboard,
        dialogues,
        start,
    )
    try:
        state = train(job)
    except KeyboardInterrupt:
        print("saved; the same command goes on from here", file=sys.stderr)
        raise
    if dataset is not None:
        # What `fimls eval` looks for leaks and memorised code with.
        others = {one.file.path: one.file for one in general}.values()
        Traces.of((*dataset.files(Split.TRAIN), *others)).write(output)
        write_canaries(planted, output)
    _report(state)
    print(f"fimls serve --adapter {output}")


def _corpus_of(dataset: Dataset | None, source: Path) -> Corpus:
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
    from training.cli.prepare import run as prepare
    from training.preparation import Settings

    windows = ("prefix_tokens", "suffix_tokens", "snippet_tokens")
    settings = Invocation({"model": model, **{name: getattr(recipe, name) for name in windows}})
    started = (folder / STARTED_NAME).exists()
    with contextlib.redirect_stdout(sys.stderr):
        prepare(
            settings,
            Settings((str(source),), seed=recipe.seed),
            folder,
            jobs=None,
            resume=started,
        )
    return folder
