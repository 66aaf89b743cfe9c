"""A GGUF file as a transformers network, without transformers' own reader.

That reader parses the tokenizer too and takes a minute; here a 0.5B model takes seconds, so no
second copy of it has to be kept on the disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from fimls.store.architectures import (
    ARCHITECTURES,
    OUTPUT_HEAD,
    TOKEN_EMBEDDING,
    Architecture,
    tie,
)
from fimls.store.gguf_file import Tensor, open_gguf, rows
from fimls.types import ModelError


def load_gguf_network(path: Path, dtype: torch.dtype) -> Any:
    """The causal language model in a GGUF file, on the CPU.

    A head that is the embedding in another quantization is tied to it, the finer of the two taken:
    what serving does with the same file.

    Raises:
        ModelError: the architecture is unknown, or tensors are missing or left over.
        StoreError: the file can't be read.
    """
    base = open_gguf(path)
    tensors = tie(base.tensors)
    if TOKEN_EMBEDDING not in tensors:
        raise ModelError(f"{path} has no {TOKEN_EMBEDDING}", hint="give a language model's GGUF")
    if not Architecture.known(base):
        raise ModelError(
            f"can't train a GGUF file of architecture {base.get('general.architecture')!r}",
            hint=f"known: {', '.join(ARCHITECTURES)}; or give a Hugging Face model folder",
        )
    arch = Architecture(base)
    config = _config(arch, tensors)
    with torch.device("meta"):
        network = transformers.AutoModelForCausalLM.from_config(config, dtype=dtype)
    state = dict(_state(network, arch, path, tensors, dtype))
    if tensors:
        raise ModelError(
            f"{path} has tensors that {config.model_type} lacks: {', '.join(sorted(tensors)[:4])}",
            hint="give the model's Hugging Face folder instead",
        )
    network.load_state_dict(state, strict=False, assign=True)
    network.tie_weights()
    _materialise_buffers(network, config)
    return network


def _config(arch: Architecture, tensors: Mapping[str, Tensor]) -> Any:
    values = arch.config()
    theta = values.pop("rope_theta")
    return transformers.AutoConfig.for_model(
        arch.name,
        vocab_size=tensors[TOKEN_EMBEDDING].shape[0],
        rope_parameters={"rope_type": "default", "rope_theta": theta},
        tie_word_embeddings=OUTPUT_HEAD not in tensors,
        **values,
    )


def _state(
    network: Any, arch: Architecture, path: Path, tensors: dict[str, Tensor], dtype: torch.dtype
) -> Iterator[tuple[str, torch.Tensor]]:
    """The network's parameters; takes what it uses out of ``tensors``."""
    for parameter, _ in network.named_parameters():  # a tied head isn't listed twice
        module, _, suffix = parameter.rpartition(".")
        name = f"{arch.tensor_name(module)}.{suffix}"
        tensor = tensors.pop(name, None)
        if tensor is None:
            raise ModelError(f"{path} has no {name}", hint="fetch the model again: fimls pull")
        weight = arch.to_transformers_order(name, rows(tensor))
        yield parameter, torch.from_numpy(np.ascontiguousarray(weight)).to(dtype)


def _materialise_buffers(network: Any, config: Any) -> None:
    """Rotary tables are computed, not loaded; on the meta device they weren't."""
    for name, module in list(network.named_modules()):
        if any(buffer.is_meta for buffer in module.buffers(recurse=False)):
            network.set_submodule(name, type(module)(config=config))
