"""The architectures that fimls reads from GGUF: what transformers calls their parts, and in which
order GGUF keeps the rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gguf import MODEL_ARCH, MODEL_ARCH_NAMES, GGMLQuantizationType, get_tensor_name_map

from fimls.store.gguf_file import ROWS_AT_ONCE, Float32Array, Gguf, Tensor, rows

TOKEN_EMBEDDING, OUTPUT_HEAD = "token_embd.weight", "output.weight"
"""GGUF's names of the two matrices that a tied model has in one."""

ARCHITECTURES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "llama": ("LlamaForCausalLM", ("attn_q", "attn_k")),
    "qwen2": ("Qwen2ForCausalLM", ()),
    "qwen3": ("Qwen3ForCausalLM", ()),
}
"""By GGUF's name: transformers' class, and the tensors whose rows GGUF stores in rotary order (each
head's two halves interleaved) where transformers keeps the halves apart.
"""

_Kind = GGMLQuantizationType

_ROUNDING = {
    _Kind.F32: 0.0,
    _Kind.F16: 2**-11,
    _Kind.BF16: 2**-8,
    _Kind.Q8_0: 1 / 127,
    _Kind.Q6_K: 1 / 31,
    _Kind.Q5_0: 1 / 16,
    _Kind.Q5_1: 1 / 15,
    _Kind.Q5_K: 1 / 15,
    _Kind.Q4_0: 1 / 8,
    _Kind.Q4_1: 1 / 7,
    _Kind.Q4_K: 1 / 7,
}
"""The largest rounding error of a quantization, as a part of the largest weight of the block."""
_BLOCK = 32


class Architecture:
    """The architecture of one file, which must be a key of ``ARCHITECTURES``."""

    def __init__(self, model: Gguf) -> None:
        self._model = model
        self.name: str = model.get("general.architecture")
        self.transformers_class, self._rotary = ARCHITECTURES[self.name]
        self.layers: int = self.get("block_count")
        self._heads: int = self.get("attention.head_count")
        self._kv_heads: int = model.content(f"{self.name}.attention.head_count_kv", self._heads)
        kind = next(key for key, name in MODEL_ARCH_NAMES.items() if name == self.name)
        self._names = get_tensor_name_map(MODEL_ARCH(kind), self.layers)

    @staticmethod
    def known(model: Gguf) -> bool:
        """Whether the file's architecture is one of ``ARCHITECTURES``."""
        return model.get("general.architecture") in ARCHITECTURES

    def get(self, key: str) -> Any:
        """A metadata value of the architecture's own.

        Raises:
            StoreError: the file lacks it.
        """
        return self._model.get(f"{self.name}.{key}")

    def tensor_name(self, module: str) -> str | None:
        """GGUF's name for a module of transformers', without ``.weight``; None: it has none."""
        name: str | None = self._names.get_name(module)
        return name

    def to_gguf_order(self, tensor: str, weight: Float32Array) -> Float32Array:
        """Reorder rows ``(outputs, ...)`` of a tensor as GGUF stores them."""
        return self._swapped(tensor, weight, 2, -1)

    def to_transformers_order(self, tensor: str, weight: Float32Array) -> Float32Array:
        """Reorder rows ``(outputs, ...)`` of a tensor as transformers keeps them."""
        return self._swapped(tensor, weight, -1, 2)

    def config(self) -> dict[str, Any]:
        """What the file says of the network, by transformers' names."""
        hidden = self.get("embedding_length")
        content, name = self._model.content, self.name
        return {
            "hidden_size": hidden,
            "intermediate_size": self.get("feed_forward_length"),
            "num_hidden_layers": self.layers,
            "num_attention_heads": self._heads,
            "num_key_value_heads": self._kv_heads,
            "head_dim": content(f"{name}.attention.key_length", hidden // self._heads),
            "max_position_embeddings": self.get("context_length"),
            "rms_norm_eps": self.get("attention.layer_norm_rms_epsilon"),
            "rope_theta": content(f"{name}.rope.freq_base", 10_000.0),
        }

    def _swapped(self, tensor: str, weight: Float32Array, *split: int) -> Float32Array:
        kind = tensor.split(".")[-2]
        if kind not in self._rotary:
            return weight
        heads = self._kv_heads if kind == "attn_k" else self._heads
        parts = weight.reshape(heads, *split, *weight.shape[1:])
        return parts.swapaxes(1, 2).reshape(weight.shape)


def tie(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with a head that is the embedding, in whatever quantization, left out; the finer
    of the two becomes the embedding.
    """
    tied = dict(tensors)
    embedding, head = tied.get(TOKEN_EMBEDDING), tied.get(OUTPUT_HEAD)
    if embedding is not None and head is not None and _one_matrix(embedding, head):
        tied[TOKEN_EMBEDDING] = min((embedding, head), key=lambda tensor: _ROUNDING[tensor.kind])
        del tied[OUTPUT_HEAD]
    return tied


def _one_matrix(embedding: Tensor, head: Tensor) -> bool:
    """Whether both are one matrix, up to what their quantizations round away."""
    kinds = {embedding.kind, head.kind}
    if embedding.shape != head.shape or not kinds <= _ROUNDING.keys():
        return False
    tolerance = sum(_ROUNDING[tensor.kind] for tensor in (embedding, head))
    for start in range(0, head.shape[0], ROWS_AT_ONCE):
        one, other = (rows(tensor, start, start + ROWS_AT_ONCE) for tensor in (embedding, head))
        difference = np.abs(one - other).reshape(len(one), -1, _BLOCK).max(axis=-1)
        largest = np.abs(other).reshape(len(one), -1, _BLOCK).max(axis=-1)
        # K-quants share scales over 256 weights: their error depends on the larger neighbours.
        if not np.all(difference <= tolerance * np.maximum(largest, largest.max(-1)[:, None])):
            return False
    return True
