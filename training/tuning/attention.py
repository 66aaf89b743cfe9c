"""Attention in which no packed example sees another.

Registered with transformers as ``fimls_packed``. Rows come as ``[1, tokens]`` with position ids
that restart at each example, and ``segment_lengths`` reaches this function through the model's
keyword arguments; transformers then builds no mask at all. On CUDA in bf16 one varlen kernel does a
row (flash attention, inside torch); elsewhere each example is a causal attention of its own, which
does no work for pairs that a dense block-diagonal mask would only throw away.
"""

from __future__ import annotations

import itertools
from typing import Any

import torch
import transformers
from torch.nn.functional import scaled_dot_product_attention

NAME = "fimls_packed"

_HALF = (torch.bfloat16, torch.float16)


def packed_attention(  # noqa: PLR0913 - transformers sets the signature
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    segment_lengths: tuple[int, ...],
    dropout: float = 0.0,
    scaling: float | None = None,
    **_unused: Any,  # transformers hands every function what any of them may need
) -> tuple[torch.Tensor, None]:
    """Causal attention within each segment.

    query: [1, heads, tokens, size]; key, value: [1, kv heads, tokens, size]. segment_lengths sum up
    to tokens. Returns [1, tokens, heads, size], contiguous.
    """
    if attention_mask is not None or sum(segment_lengths) != query.shape[2]:
        raise ValueError("packed attention takes whole rows and no mask")
    if getattr(module, "sliding_window", None):
        raise ValueError("packed attention has no sliding window")
    if query.is_cuda and query.dtype in _HALF and dropout == 0:
        return _varlen(query, key, value, segment_lengths, scaling), None
    segments = zip(
        *(tensor.split(segment_lengths, dim=2) for tensor in (query, key, value)), strict=True
    )
    outputs = [
        scaled_dot_product_attention(
            q, k, v, dropout_p=dropout, is_causal=True, scale=scaling, enable_gqa=True
        )
        for q, k, v in segments
    ]
    return torch.cat(outputs, dim=2).transpose(1, 2).contiguous(), None


def _varlen(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    lengths: tuple[int, ...],
    scaling: float | None,
) -> torch.Tensor:
    from torch.nn.attention.varlen import varlen_attn

    ends = torch.tensor([0, *itertools.accumulate(lengths)], dtype=torch.int32)
    ends = ends.to(query.device, non_blocking=True)
    # The kernel takes tokens before heads, and no batch.
    rows = [tensor[0].transpose(0, 1) for tensor in (query, key, value)]
    output = varlen_attn(
        *rows,
        ends,
        ends,
        max(lengths),
        max(lengths),
        scale=scaling,
        window_size=(-1, 0),  # causal
        enable_gqa=key.shape[1] != query.shape[1],
    )
    return output.unsqueeze(0).contiguous()


transformers.AttentionInterface.register(NAME, packed_attention)
