"""A GGUF file as a Hugging Face folder: weights in float16, configuration, tokenizer.

The way back from GGUF's names and row order, in numpy: it needs no torch, and a tensor's memory
instead of a model's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

from fimls.fim import Manifest
from fimls.progress import Progress, silent
from fimls.store.architectures import (
    ARCHITECTURES,
    OUTPUT_HEAD,
    TOKEN_EMBEDDING,
    Architecture,
)
from fimls.store.gguf_file import Gguf, rows
from fimls.store.gguf_tokenizer import write_tokenizer
from training.types import ExportError

_MODULES = (
    *("model.embed_tokens", "model.norm", "lm_head"),
    *(
        f"model.layers.{{layer}}.{module}"
        for module in (
            *("input_layernorm", "post_attention_layernorm"),
            *(f"self_attn.{name}" for name in ("q_proj", "k_proj", "v_proj", "o_proj")),
            *("self_attn.q_norm", "self_attn.k_norm"),
            *("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"),
        )
    ),
)
_SHARD_BYTES = 4_000_000_000

Float16Array = npt.NDArray[np.float16]


def write_huggingface(
    model: Gguf, folder: Path, manifest: Manifest, *, progress: Progress = silent
) -> None:
    """Fill ``folder`` with what ``from_pretrained`` reads.

    Raises:
        ExportError: the architecture isn't known here, or has tensors that aren't.
        StoreError: the tokenizer's kind isn't known.
    """
    name: str = model.get("general.architecture")
    known = Architecture.known(model)
    if not known or f"{name}.rope.scaling.type" in model.metadata:
        raise ExportError(
            f"can't write a Hugging Face folder for the architecture {name!r}"
            f"{' with scaled positions' if known else ''}",
            hint="known: " + ", ".join(ARCHITECTURES) + "; export to gguf instead",
        )
    arch = Architecture(model)
    _write_weights(model, arch, folder, progress)
    _write_json(folder / "config.json", _config(model, arch))
    stops = {*manifest.control_ids.values(), model.get("tokenizer.ggml.eos_token_id")}
    _write_json(
        folder / "generation_config.json", {"do_sample": False, "eos_token_id": sorted(stops)}
    )
    write_tokenizer(model, folder / "tokenizer.json")
    _write_json(folder / "tokenizer_config.json", _tokenizer_config(model, arch))
    template = model.content("tokenizer.chat_template", None)
    if template is not None:
        (folder / "chat_template.jinja").write_text(template, "utf-8")


def _write_weights(model: Gguf, arch: Architecture, folder: Path, progress: Progress) -> None:
    """As ``model.safetensors``, or in shards with an index where that would be over 4 GB."""
    shards: list[list[str]] = [[]]
    names = {name: module for module, name in _names(arch)}
    if unknown := model.tensors.keys() - names.keys():
        raise ExportError(
            f"the model has tensors whose Hugging Face names aren't known: {min(unknown)}",
            hint="export to gguf instead",
        )
    sizes = {name: 2 * int(np.prod(tensor.shape)) for name, tensor in model.tensors.items()}
    shard_bytes = 0
    for name, size_bytes in sizes.items():
        if shard_bytes and shard_bytes + size_bytes > _SHARD_BYTES:
            shards.append([])
            shard_bytes = 0
        shards[-1].append(name)
        shard_bytes += size_bytes
    files: dict[str, str] = {}
    done_bytes = 0
    for number, shard in enumerate(shards, start=1):
        whole = len(shards) == 1
        file = (
            "model.safetensors" if whole else f"model-{number:05}-of-{len(shards):05}.safetensors"
        )
        progress("writing weights", done_bytes, sum(sizes.values()))
        weights = {names[name]: _weight(model, arch, name) for name in shard}
        save_file(weights, folder / file, metadata={"format": "pt"})
        files |= dict.fromkeys(weights, file)
        done_bytes += sum(sizes[name] for name in shard)
    progress("writing weights", done_bytes, done_bytes)
    if len(shards) > 1:
        index = {"metadata": {"total_size": sum(sizes.values())}, "weight_map": files}
        _write_json(folder / "model.safetensors.index.json", index)


def _names(arch: Architecture) -> Iterator[tuple[str, str]]:
    """The names, transformers' and GGUF's, of every tensor that such a model may have."""
    for pattern in _MODULES:
        for layer in range(arch.layers if "{layer}" in pattern else 1):
            module = pattern.format(layer=layer)
            name = arch.tensor_name(module)
            for kind in ("weight", "bias") if name is not None else ():
                yield f"{module}.{kind}", f"{name}.{kind}"


def _weight(model: Gguf, arch: Architecture, name: str) -> Float16Array:
    """A tensor in transformers' row order."""
    weight = arch.to_transformers_order(name, rows(model.tensors[name]))
    return np.ascontiguousarray(weight, dtype=np.float16)


def _config(model: Gguf, arch: Architecture) -> dict[str, Any]:
    return {
        "architectures": [arch.transformers_class],
        "model_type": arch.name,
        "dtype": "float16",
        "hidden_act": "silu",
        **arch.config(),
        "vocab_size": model.tensors[TOKEN_EMBEDDING].shape[0],
        "tie_word_embeddings": OUTPUT_HEAD not in model.tensors,
        "eos_token_id": model.get("tokenizer.ggml.eos_token_id"),
    }


def _tokenizer_config(model: Gguf, arch: Architecture) -> dict[str, Any]:
    """Special tokens by the roles that GGUF gives them; nothing is added to a text."""
    tokens: list[str] = model.get("tokenizer.ggml.tokens")
    roles = {"bos_token": "bos", "eos_token": "eos", "pad_token": "padding"}
    ids = {
        role: model.content(f"tokenizer.ggml.{name}_token_id", None) for role, name in roles.items()
    }
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "model_max_length": arch.get("context_length"),
        **{role: tokens[index] for role, index in ids.items() if index is not None},
    }


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")
