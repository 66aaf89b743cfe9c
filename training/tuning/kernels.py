"""How a packed row is computed: attention in which no packed example sees another, and low-rank
updates with fewer passes over memory.

The attention is registered with transformers as ``fimls_packed``. Rows come as ``[1, tokens]`` with
position ids that restart at each example, and the model's keyword arguments carry
``segment_lengths`` to :func:`packed_attention`; transformers then builds no mask at all. On CUDA in
bf16 one varlen kernel computes a row (flash attention, inside torch); elsewhere each example is a
causal attention of its own, without the work that a dense block-diagonal mask would throw away.

For a low-rank update, peft computes ``base(x) + B(A(x)) * scale`` in four steps, each of which
writes an activation, and autograd does the same backwards. On a CPU those passes take a tenth of
the time; :func:`fuse` accumulates the update into the product itself (BLAS's beta = 1), forwards
and backwards.
"""

from __future__ import annotations

import functools
import itertools
from typing import Any

import peft
import torch
import transformers
from torch.nn.functional import linear, scaled_dot_product_attention

PACKED_ATTENTION = "fimls_packed"

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


transformers.AttentionInterface.register(PACKED_ATTENTION, packed_attention)


class _LowRankLinear(torch.autograd.Function):  # type: ignore[misc]  # torch is never followed
    """``x @ W.T + bias + scale * (x @ A.T) @ B.T``; W and bias are frozen.

    x: [tokens, inputs], W: [outputs, inputs], A: [rank, inputs], B: [outputs, rank].
    """

    @staticmethod
    def forward(
        context: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        down: torch.Tensor,
        up: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:
        down, up = down.to(x.dtype), up.to(x.dtype)  # kept in float32 beside a bf16 base
        low = x @ down.T
        context.save_for_backward(x, weight, down, up, low)
        context.scale = scale
        return linear(x, weight, bias).addmm_(low, up.T, alpha=scale)

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (gradient,) = gradients
        x, weight, down, up, low = context.saved_tensors
        low_gradient = torch.mm(gradient, up).mul_(context.scale)
        x_gradient = None
        if context.needs_input_grad[0]:
            x_gradient = (gradient @ weight).addmm_(low_gradient, down)
        up_gradient = (gradient.T @ low).mul_(context.scale)
        return x_gradient, None, None, low_gradient.T @ x, up_gradient, None


def fuse(network: Any) -> int:
    """Use it in every layer of a peft model that is a plain LoRA over an unquantized linear layer.

    Returns how many those are. Layers with dropout, DoRA or 4-bit weights keep peft's own forward.
    """
    fused = 0
    for module in network.modules():
        if isinstance(module, peft.tuners.lora.Linear) and _is_plain(module):
            module.forward = functools.partial(_forward, module)
            fused += 1
    return fused


def _is_plain(module: Any) -> bool:
    (name,) = module.active_adapters
    return (
        type(module.get_base_layer()) is torch.nn.Linear
        and name in module.lora_A
        and name not in module.lora_variant
        and isinstance(module.lora_dropout[name], torch.nn.Identity)
    )


def _forward(module: Any, x: torch.Tensor) -> torch.Tensor:
    base = module.get_base_layer()
    if module.disable_adapters:
        output: torch.Tensor = base(x)
        return output
    (name,) = module.active_adapters
    flat = _LowRankLinear.apply(
        x.reshape(-1, x.shape[-1]),
        base.weight,
        base.bias,
        module.lora_A[name].weight,
        module.lora_B[name].weight,
        module.scaling[name],
    )
    fused: torch.Tensor = flat.view(*x.shape[:-1], -1)
    return fused
