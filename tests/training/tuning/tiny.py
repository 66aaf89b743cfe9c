"""Runs of seconds: a two-layer model with random weights, examples made of the repository's own
code, and everything else as it is in earnest.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fimls.store import Store
from tests.fim_tokenizers import REPOSITORY
from tests.unit.store.tiny import write_model
from training.tuning.base import Base, find_base
from training.tuning.job import Corpus, Job
from training.tuning.recipe import Recipe
from training.types import CorpusFile, FimExample, Span, SpanKind, Split

SOURCE_FILE = REPOSITORY / "fimls" / "types.py"
CORPUS = Corpus(sha256="c" * 64, settings={"seed": 0}, repositories=({"name": "tiny"},))

RECIPE = Recipe(
    prefix_tokens=32,
    suffix_tokens=16,
    snippet_tokens=0,
    rank=4,
    alpha=8,
    epochs=0,
    tokens=1200,
    step_tokens=150,
    row_tokens=120,
    learning_rate=1e-2,
    validations=2,
    validation_examples=4,
    general_examples=2,
    checkpoint_steps=2,
)


def examples(count: int, split: Split = Split.TRAIN) -> list[FimExample]:
    """Middles of three to eight characters."""
    text = SOURCE_FILE.read_text("utf-8")
    file = CorpusFile("fimls", "", "fimls/types.py", "python", "Apache-2.0", text)
    chosen = random.Random(split.value)  # noqa: S311 - a sample, not a secret
    starts = [chosen.randrange(len(text) - 10) for _ in range(count)]
    return [
        FimExample(
            file, Span(start, start + chosen.randint(3, 8), SpanKind.CHARACTERS), split=split
        )
        for start in starts
    ]


@dataclass(frozen=True)
class ListSource:
    """A dataset in memory."""

    by_split: dict[Split, list[FimExample]]

    def count(self, split: Split) -> int:
        """See :class:`training.batches.ExampleSource`."""
        return len(self.by_split[split])

    def examples(
        self, split: Split, *, shuffle_seed: int | None = None, start: int = 0
    ) -> Iterator[FimExample]:
        """See :class:`training.batches.ExampleSource`."""
        order = list(self.by_split[split])
        if shuffle_seed is not None:
            random.Random(shuffle_seed).shuffle(order)  # noqa: S311 - as above
        return iter(order[start:])


def source(train: int = 24, validation: int = 4) -> ListSource:
    """Some examples in each of two splits."""
    return ListSource(
        {
            Split.TRAIN: examples(train),
            Split.VALIDATION: examples(validation, Split.VALIDATION),
        }
    )


def base(folder: Path, arch: str = "qwen2", format_name: str = "qwen2.5-coder") -> Base:
    """A tiny model's file and its identity, in a store of its own."""
    path = folder / f"tiny-{arch}.gguf"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_model(path, arch)
    return find_base(str(path), Store(folder / "home"), format_name=format_name)


def job(folder: Path, *, output: str = "adapter", recipe: Recipe = RECIPE, **more: Any) -> Job:
    """A run of a few steps on the CPU."""
    settings: dict[str, Any] = {"source": source(), "corpus": CORPUS, "device": "cpu", **more}
    settings.setdefault("base", base(folder / "base"))
    return Job(recipe=recipe, output=folder / output, **settings)
