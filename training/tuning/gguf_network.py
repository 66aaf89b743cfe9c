"""A GGUF file as a transformers network, without transformers' own reader.

That reader parses the tokenizer too and takes a minute; here a 0.5B model takes seconds, so no
second copy of it has to be kept on the disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from gguf import MODEL_ARCH, MODEL_ARCH_NAMES, get_tensor_name_map

from fimls.store.gguf_file import OUTPUT_HEAD, TOKEN_EMBEDDING, Float32Array, rows
from fimls.store.gguf_reader import Gguf, Tensor, open_gguf
from fimls.types import ModelError

# Per architecture, the tensors whose rows GGUF stores in rotary order: each head's two halves
# interleaved, where transformers keeps the halves apart.
_ROTARY_ORDER: dict[str, tuple[str, ...]] = {
    "llama": ("attn_q", "attn_k"),
    "qwen2": (),
    "qwen3": (),
}

# One matrix in two quantizations differs by a few per cent; two matrices by more than themselves.
_SAME_MATRIX = 0.15
_COMPARED_ROWS = 4096


def load_gguf_network(path: Path, dtype: torch.dtype) -> Any:
    """The causal language model in a GGUF file, on the CPU.

    A head that is the embedding in another quantization is tied to it, the finer of the two taken:
    what serving does with the same file.

    Raises:
        ModelError: the architecture is unknown, or tensors are missing or left over.
        StoreError: the file can't be read.
    """
    base = open_gguf(path)
    tensors = dict(base.tensors)
    if TOKEN_EMBEDDING not in tensors:
        raise ModelError(f"{path} has no {TOKEN_EMBEDDING}", hint="give a language model's GGUF")
    head = tensors.get(OUTPUT_HEAD)
    tied = head is None or _same_matrix(tensors[TOKEN_EMBEDDING], head)
    if tied and head is not None:
        tensors[TOKEN_EMBEDDING] = _finer(tensors[TOKEN_EMBEDDING], tensors.pop(OUTPUT_HEAD))
    config = _config(base, vocabulary=tensors[TOKEN_EMBEDDING].shape[0], tied=tied)
    with torch.device("meta"):
        network = transformers.AutoModelForCausalLM.from_config(config, dtype=dtype)
    state = dict(_state(network, base, tensors, dtype))
    if tensors:
        raise ModelError(
            f"{path} has tensors that {config.model_type} lacks: {', '.join(sorted(tensors)[:4])}",
            hint="give the model's Hugging Face folder instead",
        )
    network.load_state_dict(state, strict=False, assign=True)
    network.tie_weights()
    _materialise_buffers(network, config)
    return network


def _config(base: Gguf, *, vocabulary: int, tied: bool) -> Any:
    arch: str = base.get("general.architecture")
    if arch not in _ROTARY_ORDER:
        raise ModelError(
            f"can't train a GGUF file of architecture {arch!r}",
            hint=f"known: {', '.join(_ROTARY_ORDER)}; or give a Hugging Face model folder",
        )
    heads = base.get(f"{arch}.attention.head_count")
    hidden = base.get(f"{arch}.embedding_length")
    return transformers.AutoConfig.for_model(
        arch,
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=base.get(f"{arch}.feed_forward_length"),
        num_hidden_layers=base.get(f"{arch}.block_count"),
        num_attention_heads=heads,
        num_key_value_heads=base.content(f"{arch}.attention.head_count_kv", heads),
        head_dim=base.content(f"{arch}.attention.key_length", hidden // heads),
        max_position_embeddings=base.get(f"{arch}.context_length"),
        rms_norm_eps=base.get(f"{arch}.attention.layer_norm_rms_epsilon"),
        rope_parameters={
            "rope_type": "default",
            "rope_theta": base.content(f"{arch}.rope.freq_base", 10_000.0),
        },
        tie_word_embeddings=tied,
    )


def _state(
    network: Any, base: Gguf, tensors: dict[str, Tensor], dtype: torch.dtype
) -> Iterator[tuple[str, torch.Tensor]]:
    """The network's parameters; takes what it uses out of ``tensors``."""
    arch: str = base.get("general.architecture")
    kind = next(key for key, name in MODEL_ARCH_NAMES.items() if name == arch)
    names = get_tensor_name_map(MODEL_ARCH(kind), network.config.num_hidden_layers)
    for parameter, _ in network.named_parameters():  # a tied head isn't listed twice
        module, _, suffix = parameter.rpartition(".")
        name = f"{names.get_name(module)}.{suffix}"
        tensor = tensors.pop(name, None)
        if tensor is None:
            raise ModelError(f"{base.path} has no {name}", hint="fetch the model again: fimls pull")
        weight = rows(tensor)
        if name.split(".")[-2] in _ROTARY_ORDER[arch]:
            weight = _in_halves(weight, _heads(network.config, name))
        yield parameter, torch.from_numpy(np.ascontiguousarray(weight)).to(dtype)


def _heads(config: Any, name: str) -> int:
    key = name.split(".")[-2] == "attn_k"
    heads: int = config.num_key_value_heads if key else config.num_attention_heads
    return heads


def _in_halves(weight: Float32Array, heads: int) -> Float32Array:
    pairs = weight.reshape(heads, -1, 2, *weight.shape[1:])
    return pairs.swapaxes(1, 2).reshape(weight.shape)


def _same_matrix(embedding: Tensor, head: Tensor) -> bool:
    if embedding.shape != head.shape:
        return False
    one, other = (rows(tensor, 0, _COMPARED_ROWS) for tensor in (embedding, head))
    return float(np.abs(one - other).mean()) < _SAME_MATRIX * float(np.abs(other).mean())


def _finer(one: Tensor, other: Tensor) -> Tensor:
    return max((one, other), key=lambda tensor: tensor.data.nbytes)


def _materialise_buffers(network: Any, config: Any) -> None:
    """Rotary tables are computed, not loaded; on the meta device they weren't."""
    for name, module in list(network.named_modules()):
        if any(buffer.is_meta for buffer in module.buffers(recurse=False)):
            network.set_submodule(name, type(module)(config=config))
