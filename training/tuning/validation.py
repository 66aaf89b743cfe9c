"""Validation while training: held-out spans of the repository, and a general suite."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from fimls.fim import TokenizedExample
from training.batches import Encode, ExampleSource, Item, PackedRow, pack
from training.tuning.loss import RowTensors
from training.types import Split


@dataclass(frozen=True, slots=True)
class Score:
    """On a suite. loss: nats for each label token. accuracy: of tokens, the true text before them.

    exact: the share of examples that greedy decoding would write to the letter, end included.
    """

    loss: float
    accuracy: float
    exact: float

    def as_dict(self, prefix: str) -> dict[str, float]:
        """For the log."""
        return {
            f"{prefix}_loss": self.loss,
            f"{prefix}_accuracy": self.accuracy,
            f"{prefix}_exact": self.exact,
        }


def held_out(
    source: ExampleSource[Item], encode: Encode[Item], count: int, max_tokens: int
) -> list[TokenizedExample]:
    """The validation split's first ``count`` examples in a fixed shuffle."""
    examples = source.examples(Split.VALIDATION, shuffle_seed=0)
    return encode_all(itertools.islice(examples, count), encode, max_tokens)


def encode_all(
    examples: Iterable[Item], encode: Encode[Item], max_tokens: int
) -> list[TokenizedExample]:
    """Encode as in epoch 0; longer ones are left out."""
    encoded = (encode(example, 0, index) for index, example in enumerate(examples))
    return [one for one in encoded if len(one.input_ids) <= max_tokens]


def score(
    model: torch.nn.Module,
    examples: Sequence[TokenizedExample],
    *,
    row_tokens: int,
    device: Any,
    before_row: Callable[[], None],
) -> Score | None:
    """Judge a suite; None if it is empty. before_row: may raise, to end it early."""
    rows: list[PackedRow] = pack(examples, row_tokens)
    if not rows:
        return None
    was_training = model.training
    model.eval()
    losses, hits, exact = [], [], []
    for row in rows:
        before_row()
        with torch.no_grad():
            judged = model(RowTensors.of(row, device), judge=True)
        losses.append(judged.losses.cpu())
        hits.append(judged.hits.cpu())
        misses = torch.zeros(len(row.segment_lengths), device=judged.hits.device)
        misses.index_add_(0, judged.examples, (~judged.hits).float())
        exact.append((misses == 0).cpu())
    model.train(was_training)
    return Score(
        loss=float(torch.cat(losses).double().mean()),
        accuracy=float(torch.cat(hits).double().mean()),
        exact=float(torch.cat(exact).double().mean()),
    )
