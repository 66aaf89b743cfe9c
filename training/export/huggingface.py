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
from gguf import MODEL_ARCH, MODEL_ARCH_NAMES, get_tensor_name_map
from safetensors.numpy import save_file

from fimls.fim import Manifest
from fimls.store.gguf_file import OUTPUT_HEAD, TOKEN_EMBEDDING, rows
from fimls.store.gguf_reader import Gguf
from fimls.store.gguf_tokenizer import write_tokenizer
from fimls.store.progress import Progress, silent
from training.types import ExportError

# By GGUF's architecture: transformers' class, and the tensors whose rows GGUF stores in rotary
# order (each head's two halves interleaved).
_ARCHITECTURES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "llama": ("LlamaForCausalLM", ("attn_q", "attn_k")),
    "qwen2": ("Qwen2ForCausalLM", ()),
    "qwen3": ("Qwen3ForCausalLM", ()),
}
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
    arch: str = model.get("general.architecture")
    if arch not in _ARCHITECTURES or f"{arch}.rope.scaling.type" in model.metadata:
        raise ExportError(
            f"can't write a Hugging Face folder for the architecture {arch!r}"
            f"{' with scaled positions' if arch in _ARCHITECTURES else ''}",
            hint="known: " + ", ".join(_ARCHITECTURES) + "; export to gguf instead",
        )
    _write_weights(model, folder, progress)
    _write_json(folder / "config.json", _config(model))
    stops = {*manifest.control_ids.values(), model.get("tokenizer.ggml.eos_token_id")}
    _write_json(
        folder / "generation_config.json", {"do_sample": False, "eos_token_id": sorted(stops)}
    )
    write_tokenizer(model, folder / "tokenizer.json")
    _write_json(folder / "tokenizer_config.json", _tokenizer_config(model))
    template = model.content("tokenizer.chat_template", None)
    if template is not None:
        (folder / "chat_template.jinja").write_text(template, "utf-8")


def _write_weights(model: Gguf, folder: Path, progress: Progress) -> None:
    """As ``model.safetensors``, or in shards with an index where that would be over 4 GB."""
    shards: list[list[str]] = [[]]
    names = {name: module for module, name in _names(model)}
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
        weights = {names[name]: _weight(model, name) for name in shard}
        save_file(weights, folder / file, metadata={"format": "pt"})
        files |= dict.fromkeys(weights, file)
        done_bytes += sum(sizes[name] for name in shard)
    progress("writing weights", done_bytes, done_bytes)
    if len(shards) > 1:
        index = {"metadata": {"total_size": sum(sizes.values())}, "weight_map": files}
        _write_json(folder / "model.safetensors.index.json", index)


def _names(model: Gguf) -> Iterator[tuple[str, str]]:
    """The names, transformers' and GGUF's, of every tensor that such a model may have."""
    arch: str = model.get("general.architecture")
    layers: int = model.get(f"{arch}.block_count")
    key = next(key for key, name in MODEL_ARCH_NAMES.items() if name == arch)
    table = get_tensor_name_map(MODEL_ARCH(key), layers)
    for pattern in _MODULES:
        for layer in range(layers if "{layer}" in pattern else 1):
            module = pattern.format(layer=layer)
            name = table.get_name(module)
            for kind in ("weight", "bias") if name is not None else ():
                yield f"{module}.{kind}", f"{name}.{kind}"


def _weight(model: Gguf, name: str) -> Float16Array:
    """A tensor in transformers' row order."""
    arch: str = model.get("general.architecture")
    weight = rows(model.tensors[name])
    kind = name.split(".")[-2]
    if kind in _ARCHITECTURES[arch][1]:
        heads: int = model.get(f"{arch}.attention.head_count")
        if kind == "attn_k":
            heads = model.content(f"{arch}.attention.head_count_kv", heads)
        pairs = weight.reshape(heads, -1, 2, *weight.shape[1:])
        weight = pairs.swapaxes(1, 2).reshape(weight.shape)
    return np.ascontiguousarray(weight, dtype=np.float16)


def _config(model: Gguf) -> dict[str, Any]:
    arch: str = model.get("general.architecture")
    heads: int = model.get(f"{arch}.attention.head_count")
    hidden: int = model.get(f"{arch}.embedding_length")
    return {
        "architectures": [_ARCHITECTURES[arch][0]],
        "model_type": arch,
        "dtype": "float16",
        "hidden_act": "silu",
        "hidden_size": hidden,
        "intermediate_size": model.get(f"{arch}.feed_forward_length"),
        "num_hidden_layers": model.get(f"{arch}.block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": model.content(f"{arch}.attention.head_count_kv", heads),
        "head_dim": model.content(f"{arch}.attention.key_length", hidden // heads),
        "max_position_embeddings": model.get(f"{arch}.context_length"),
        "rms_norm_eps": model.get(f"{arch}.attention.layer_norm_rms_epsilon"),
        "rope_theta": model.content(f"{arch}.rope.freq_base", 10_000.0),
        "vocab_size": model.tensors[TOKEN_EMBEDDING].shape[0],
        "tie_word_embeddings": OUTPUT_HEAD not in model.tensors,
        "eos_token_id": model.get("tokenizer.ggml.eos_token_id"),
    }


def _tokenizer_config(model: Gguf) -> dict[str, Any]:
    """Special tokens by the roles that GGUF gives them; nothing is added to a text."""
    arch: str = model.get("general.architecture")
    tokens: list[str] = model.get("tokenizer.ggml.tokens")
    roles = {"bos_token": "bos", "eos_token": "eos", "pad_token": "padding"}
    ids = {
        role: model.content(f"tokenizer.ggml.{name}_token_id", None) for role, name in roles.items()
    }
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "model_max_length": model.get(f"{arch}.context_length"),
        **{role: tokens[index] for role, index in ids.items() if index is not None},
    }


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")
