"""Low-rank updates of a frozen linear layer with fewer passes over memory.

peft computes ``base(x) + B(A(x)) * scale`` in four steps, each of which writes an activation, and
autograd does the same backwards. On a CPU those passes cost a tenth of the time; here the update
is accumulated into the product itself (BLAS's beta = 1), forwards and backwards.
"""

from __future__ import annotations

import functools
from typing import Any

import peft
import torch
from torch.nn.functional import linear


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
