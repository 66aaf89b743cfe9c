"""The masked loss, cross-entropy on middles and their end tokens, and validation by it.

A vocabulary's head is a quarter of a small model. Here it sees only the positions that have a
label, in chunks, so that no [tokens, vocabulary] matrix ever exists.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from fimls.fim import TokenizedExample
from fimls.fim.prompt import IGNORED_LABEL
from training.batches import Encode, ExampleSource, Item, PackedRow, pack
from training.types import Split

# Of float32 logits at once: 100 MB with a vocabulary of 150,000.
_CHUNK_POSITIONS = 160


@dataclass(frozen=True, slots=True)
class RowTensors:
    """A packed row on a device; all [1, tokens]. labels: shifted, see ``PackedRow.labels``."""

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    labels: torch.Tensor
    segment_lengths: tuple[int, ...]

    @classmethod
    def of(cls, row: PackedRow, device: Any) -> RowTensors:
        """Move a row to a device; positions count from 0 in each example."""
        lengths = row.segment_lengths
        positions = [position for length in lengths for position in range(length)]
        ids, at, labels = (
            torch.tensor([values]).to(device, non_blocking=True)
            for values in (row.input_ids, positions, row.labels)
        )
        return cls(ids, at, labels, lengths)


Judgement = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Of each label of a row, in order, all [labels]: its loss in nats; whether it is the likeliest
token; and which of the row's examples it belongs to. An example whose labels are all the likeliest
tokens is what greedy decoding would write.
"""


class MaskedLoss(torch.nn.Module):  # type: ignore[misc]  # torch is never followed
    """A causal language model whose output is the summed loss of a row.

    A module of its own, so that DDP and FSDP see the whole computation in one ``forward``.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, row: RowTensors, *, judge: bool = False) -> torch.Tensor | Judgement:
        """The sum of a row's cross-entropies, in nats, float32, a scalar; or a judgement of it."""
        hidden, targets = self._labelled(row)
        head = self._base().get_output_embeddings()
        parts = list(
            zip(hidden.split(_CHUNK_POSITIONS), targets.split(_CHUNK_POSITIONS), strict=True)
        )
        if judge:
            return _judged(head, parts, row)
        if len(parts) == 1:
            return _chunk_loss(head, *parts[0])
        # Each chunk's logits are computed again when its gradient is: one is in memory at a time.
        losses = [checkpoint(_chunk_loss, head, *part, use_reentrant=False) for part in parts]
        return torch.stack(losses).sum()

    def _labelled(self, row: RowTensors) -> tuple[torch.Tensor, torch.Tensor]:
        """Hidden states [labels, size] where something has to be predicted, and what."""
        body = self._base().get_decoder()
        hidden = body(
            input_ids=row.input_ids,
            position_ids=row.position_ids,
            use_cache=False,
            segment_lengths=row.segment_lengths,
        ).last_hidden_state
        kept = row.labels[0] != IGNORED_LABEL
        return hidden[0][kept], row.labels[0][kept]

    def _base(self) -> Any:
        network = self.network
        return network.get_base_model() if hasattr(network, "get_base_model") else network


def _chunk_loss(head: Any, hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return cross_entropy(head(hidden).float(), targets, reduction="sum")


def _judged(
    head: Any, parts: Sequence[tuple[torch.Tensor, torch.Tensor]], row: RowTensors
) -> Judgement:
    losses, hits = [], []
    for hidden, targets in parts:
        logits = head(hidden).float()
        losses.append(cross_entropy(logits, targets, reduction="none"))
        hits.append(logits.argmax(dim=-1) == targets)
    lengths = torch.tensor(row.segment_lengths, device=row.labels.device)
    numbers = torch.arange(len(lengths), device=lengths.device).repeat_interleave(lengths)
    return torch.cat(losses), torch.cat(hits), numbers[row.labels[0] != IGNORED_LABEL]


@dataclass(frozen=True, slots=True)
class Score:
    """How well a suite is predicted."""

    loss: float
    """In nats for each label token."""
    accuracy: float
    """Of tokens, given the true text before them."""
    exact: float
    """The share of examples that greedy decoding would write to the letter, end included."""

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
            row_losses, row_hits, numbers = model(RowTensors.of(row, device), judge=True)
        losses.append(row_losses.cpu())
        hits.append(row_hits.cpu())
        misses = torch.zeros(len(row.segment_lengths), device=row_hits.device)
        misses.index_add_(0, numbers, (~row_hits).float())
        exact.append((misses == 0).cpu())
    model.train(was_training)
    return Score(
        loss=float(torch.cat(losses).double().mean()),
        accuracy=float(torch.cat(hits).double().mean()),
        exact=float(torch.cat(exact).double().mean()),
    )
