"""The masked loss: cross-entropy on middles and their end tokens, and nothing else computed.

A vocabulary's head is a quarter of a small model. Here it sees only the positions that a label
asks something of, in chunks, so that no [tokens, vocabulary] matrix ever exists.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from fimls.fim.prompt import IGNORED_LABEL
from training.batches import PackedRow

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


@dataclass(frozen=True, slots=True)
class Judgement:
    """Of each label of a row, in order; all [labels].

    losses: in nats. hits: whether it is the likeliest token; an example that hits all of its own is
    what greedy decoding would write. examples: which of the row's it belongs to.
    """

    losses: torch.Tensor
    hits: torch.Tensor
    examples: torch.Tensor


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
    return Judgement(torch.cat(losses), torch.cat(hits), numbers[row.labels[0] != IGNORED_LABEL])
