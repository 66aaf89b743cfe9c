"""A job: what to train, and the folder of the adapter that comes of it.

::

    ADAPTER/  adapter_config.json, adapter_model.safetensors   peft's
              fimls_manifest.json       what serving must agree with; written last
              training.json             its origin: recipe, corpus, commits, scores
              tokenizer.json            only where tokens were added
              chat_template.jinja       only of dialogues
              metrics.jsonl             the run's curves
              .training/                checkpoints, until the run is finished
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fimls import __version__
from fimls.files import write_atomically
from fimls.fim import Manifest, Order
from fimls.fim.manifest import MANIFEST_FILE
from fimls.store.adapter import CONFIG, WEIGHTS, Adapter
from training.batches import ExampleEncoder, ExampleSource
from training.tuning.base import Base
from training.tuning.checkpoint import RunState, checkpoints, writing
from training.tuning.observers import METRICS
from training.tuning.recipe import Recipe
from training.types import TrainingError

PROVENANCE = "training.json"
_RUN, _IDENTITY = ".training", "run.json"
_VERSIONS = ("torch", "transformers", "peft", "accelerate", "safetensors")


@dataclass(frozen=True, slots=True)
class Corpus:
    """What was learnt from."""

    sha256: str
    settings: Mapping[str, Any]
    """Those of ``fimls prepare``."""
    repositories: tuple[Mapping[str, Any], ...]
    """The name, commit and licence of each."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to train, and where to."""

    source: ExampleSource[Any]
    """The examples: ``FimExample``s, or with ``dialogues`` those of a ``DialogueSource``."""
    corpus: Corpus
    """What the examples were made of."""
    base: Base
    recipe: Recipe
    output: Path
    """The adapter's folder."""
    device: str = "auto"
    """auto, cpu or cuda."""
    fresh: bool = False
    """Discard an unfinished or finished run in ``output``."""
    tensorboard: bool = False
    dialogues: bool = False
    start: Adapter | None = None
    """The adapter whose weights the run begins with."""

    @property
    def run(self) -> Path:
        """The folder that keeps what the run needs to go on."""
        return self.output / _RUN

    @property
    def metrics(self) -> Path:
        """The log of the run's metrics."""
        return self.output / METRICS


def begin(job: Job) -> None:
    """Get ready to train, or to go on.

    Raises:
        TrainingError: the folder holds a finished adapter, or a run with other settings.
    """
    if job.fresh:
        shutil.rmtree(job.run, ignore_errors=True)
        job.metrics.unlink(missing_ok=True)
    elif not checkpoints(job.run) and (job.output / MANIFEST_FILE).exists():
        raise TrainingError(
            f"{job.output} holds a finished adapter",
            hint="--fresh trains it again; or name another folder",
        )
    identity = {
        "base_sha256": job.base.sha256,
        "corpus_sha256": job.corpus.sha256,
        "start_sha256": job.start.sha256() if job.start else "",
        "code_version": __version__,
        **asdict(job.recipe),
    }
    file = job.run / _IDENTITY
    if checkpoints(job.run):
        _require_same(json.loads(file.read_text("utf-8")), identity, job.output)
        return
    with writing(job.output):
        job.run.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(identity, indent=1), encoding="utf-8")


def finish(
    job: Job,
    weights: Path,
    *,
    state: RunState,
    encoder: ExampleEncoder,
    tied: bool,
    dtype: str,
) -> None:
    """Put the result in its place and delete the run's folder.

    dtype: what the base was computed in.

    The manifest is removed first and written last: without it the folder can't be served.
    """
    base, corpus, start = job.base, job.corpus, job.start
    orders = tuple(order.value for order in encoder.builders)
    builder = encoder.builders.get(Order.SPM) or next(iter(encoder.builders.values()))
    served = builder.manifest(base=base.name, base_sha256=base.sha256)
    manifest: Manifest = dataclasses.replace(
        served,
        control_ids={**served.control_ids, **dict(base.added)},
        orders=orders,
        context=dict(corpus.settings),
        corpus_sha256=corpus.sha256,
        tie_word_embeddings=tied,
    )
    provenance = {
        "recipe": asdict(job.recipe),
        "base": {"name": base.name, "sha256": base.sha256, "format": base.format.name},
        "start": {"name": start.folder.name, "sha256": start.sha256()} if start else None,
        "added_tokens": dict(base.added),
        "corpus": asdict(corpus),
        "code_version": __version__,
        "versions": {name: importlib.metadata.version(name) for name in _VERSIONS},
        "run": {
            "plan": asdict(state.plan),
            "steps": state.step,
            "tokens": state.tokens,
            "examples": state.examples,
            "seconds": round(state.seconds, 1),
            "tokens_per_s": round(state.tokens / max(state.seconds, 1e-9), 1),
            "best_step": state.best_step,
            "dtype": dtype,
        },
        "before": state.first,
        "after": state.last,
    }
    with writing(job.output):
        (job.output / MANIFEST_FILE).unlink(missing_ok=True)
        for name in (CONFIG, WEIGHTS):
            shutil.copyfile(weights / name, job.output / f".{name}")
            (job.output / f".{name}").replace(job.output / name)
        if base.added:
            write_atomically(job.output / "tokenizer.json", base.tokenizer_json().encode())
        text = json.dumps(provenance, indent=1, sort_keys=True) + "\n"
        write_atomically(job.output / PROVENANCE, text.encode())
        write_atomically(job.output / MANIFEST_FILE, manifest.to_json().encode())
        shutil.rmtree(job.run)


def _require_same(before: Mapping[str, Any], now: Mapping[str, Any], path: Path) -> None:
    different = [
        f"{key} was {before.get(key)!r} and is {now.get(key)!r}"
        for key in sorted({*before, *now})
        if before.get(key) != now.get(key)
    ]
    if different:
        raise TrainingError(
            f"{path} holds an unfinished run with other settings: {'; '.join(different)}",
            hint="give the same settings to go on with it, or --fresh to begin again",
        )
