"""An adapter's folder: what stands in it, and in which order it gets there.

::

    ADAPTER/  adapter_config.json, adapter_model.safetensors   peft's
              fimls_manifest.json       what serving must agree with; written last
              training.json             where it comes from: recipe, corpus, commits, scores
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
from training.batches import ExampleEncoder
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
    """What was learnt from. settings: of ``fimls prepare``. repositories: name, commit, licence."""

    sha256: str
    settings: Mapping[str, Any]
    repositories: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """What decides a run's result. start: the adapter that it begins from, if from any."""

    recipe: Recipe
    base: Base
    corpus: Corpus
    start: Adapter | None = None


@dataclass(frozen=True, slots=True)
class AdapterFolder:
    """The folder of one adapter, and of the run that makes it."""

    path: Path

    @property
    def run(self) -> Path:
        """Where the run keeps what it needs to go on."""
        return self.path / _RUN

    @property
    def metrics(self) -> Path:
        """The log."""
        return self.path / METRICS

    def begin(self, origin: Origin, *, fresh: bool) -> None:
        """Get ready to train, or to go on.

        Raises:
            TrainingError: the folder holds a finished adapter, or a run with other settings.
        """
        if fresh:
            shutil.rmtree(self.run, ignore_errors=True)
            self.metrics.unlink(missing_ok=True)
        elif not checkpoints(self.run) and (self.path / MANIFEST_FILE).exists():
            raise TrainingError(
                f"{self.path} holds a finished adapter",
                hint="--fresh trains it again; or name another folder",
            )
        identity = {
            "base_sha256": origin.base.sha256,
            "corpus_sha256": origin.corpus.sha256,
            "start_sha256": origin.start.sha256() if origin.start else "",
            "code_version": __version__,
            **asdict(origin.recipe),
        }
        file = self.run / _IDENTITY
        if checkpoints(self.run):
            _require_same(json.loads(file.read_text("utf-8")), identity, self.path)
            return
        with writing(self.path):
            self.run.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(identity, indent=1), encoding="utf-8")

    def finish(
        self,
        weights: Path,
        *,
        state: RunState,
        origin: Origin,
        encoder: ExampleEncoder,
        tied: bool,
        dtype: str,
    ) -> None:
        """Put the result in its place and delete the run's folder.

        dtype: what the base was computed in.

        The manifest goes first and comes back last: without it nobody serves what lies here.
        """
        base, corpus, start = origin.base, origin.corpus, origin.start
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
            "recipe": asdict(origin.recipe),
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
        with writing(self.path):
            (self.path / MANIFEST_FILE).unlink(missing_ok=True)
            for name in (CONFIG, WEIGHTS):
                shutil.copyfile(weights / name, self.path / f".{name}")
                (self.path / f".{name}").replace(self.path / name)
            if base.added:
                write_atomically(self.path / "tokenizer.json", base.tokenizer_json().encode())
            text = json.dumps(provenance, indent=1, sort_keys=True) + "\n"
            write_atomically(self.path / PROVENANCE, text.encode())
            write_atomically(self.path / MANIFEST_FILE, manifest.to_json().encode())
            shutil.rmtree(self.run)


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
