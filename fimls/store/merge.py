"""A LoRA adapter merged into its base, in numpy: serving needs no torch.

LoRA (Hu et al. 2021): ``W += scale * B @ A``, with scale alpha / r, or alpha / sqrt(r) where the
adapter is rank-stabilised (Kalajdzievski 2023). Rows of peft's trainable tokens replace the
embedding's. All arithmetic is float32.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from gguf import TokenType

from fimls.progress import Progress, silent
from fimls.store.adapter import WEIGHTS, Adapter
from fimls.store.architectures import (
    ARCHITECTURES,
    OUTPUT_HEAD,
    TOKEN_EMBEDDING,
    Architecture,
)
from fimls.store.gguf_file import (
    Float32Array,
    Gguf,
    Tensor,
    TensorPlan,
    float32,
    keep,
    open_gguf,
    rows,
    write_gguf,
)
from fimls.types import AdapterMismatchError

# Settings of peft under which B @ A is not the whole of the adapter, or not added the same way.
_UNMERGEABLE = (
    "use_dora",
    "lora_bias",
    "modules_to_save",
    "fan_in_fan_out",
    "use_qalora",
    "use_bdlora",
    "layer_replication",
    "target_parameters",
    "alora_invocation_tokens",
    "arrow_config",
    "kasa_config",
    "monteclora_config",
    "velora_config",
)

_FLOATS = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}

_KEY = re.compile(
    r"base_model\.model\.(?P<module>.+?)\.(?P<part>"
    r"lora_A\.weight|lora_B\.weight|lora_embedding_A|lora_embedding_B"
    r"|token_adapter\.trainable_tokens_delta|(?:base_layer\.)?weight)"
)


def merge_adapter(
    base_gguf: Path, adapter_dir: Path, out_gguf: Path, *, progress: Progress = silent
) -> None:
    """Write ``out_gguf``: the base with the adapter in it, changed tensors in float32.

    Control tokens that the adapter's manifest names join the tokenizer, and rows past the base's
    vocabulary its embedding.

    Raises:
        AdapterMismatchError: the adapter isn't a plain LoRA, or doesn't fit this base.
        StoreError: the base can't be read.
    """
    base, adapter = open_gguf(base_gguf), Adapter.open(adapter_dir)
    _refuse_unmergeable(adapter)
    changes = _collect(adapter, base)
    plans = [
        _plan(tensor, changes.pop(name)) if name in changes else keep(tensor, name)
        for name, tensor in base.tensors.items()
    ]
    # Only a head of its own can be left, for a base whose head is its embedding.
    plans += [
        _plan(base.tensors[TOKEN_EMBEDDING], change, name) for name, change in changes.items()
    ]
    row_count = next(plan.shape[0] for plan in plans if plan.name == TOKEN_EMBEDDING)
    write_gguf(
        out_gguf,
        base,
        plans,
        metadata=_vocabulary(base, adapter.control_ids, row_count),
        stage="merging",
        progress=progress,
    )


@dataclass(slots=True)
class _Change:
    """What happens to one matrix ``(outputs, inputs)``, in this order."""

    whole: Float32Array | None = None
    """Takes the matrix's place."""
    low_rank: tuple[Float32Array, Float32Array] | None = None
    """``(B, A)``, whose product is added; the scale is in B already."""
    token_rows: dict[int, Float32Array] = field(default_factory=dict)
    """Replace rows, by token id."""

    def row_count(self, before: int) -> int:
        """How many rows the matrix has afterwards."""
        least = before if self.whole is None else len(self.whole)
        return max([least, *(index + 1 for index in self.token_rows)])

    def apply(self, tensor: Tensor) -> Float32Array:
        """The changed matrix."""
        weight = rows(tensor) if self.whole is None else self.whole.copy()
        if self.low_rank is not None:
            left, right = self.low_rank
            weight += left @ right
        added = self.row_count(len(weight)) - len(weight)
        weight = np.concatenate([weight, np.zeros((added, weight.shape[1]), np.float32)])
        for index, row in self.token_rows.items():
            weight[index] = row
        return weight


def _plan(tensor: Tensor, change: _Change, name: str | None = None) -> TensorPlan:
    shape = (change.row_count(tensor.shape[0]), *tensor.shape[1:])
    return float32(name or tensor.name, shape, lambda: change.apply(tensor))


def _refuse_unmergeable(adapter: Adapter) -> None:
    settings = [key for key in _UNMERGEABLE if adapter.config.get(key)]
    if adapter.config.get("bias", "none") != "none":
        settings.append("bias")
    if settings:
        raise AdapterMismatchError(
            f"can't merge {adapter.folder}: it uses {', '.join(settings)}",
            hint="train it as a plain LoRA, or serve it with the torch engine",
        )


def _weights(adapter: Adapter) -> dict[str, Float32Array]:
    """All weights of an adapter, by peft's names, in float32."""
    path = adapter.folder / WEIGHTS
    try:
        entries = safetensors.deserialize(path.read_bytes())  # type: ignore[no-untyped-call]
        return {name: _float32(entry) for name, entry in entries}
    except (safetensors.SafetensorError, KeyError) as error:
        raise AdapterMismatchError(f"can't read {path}: {error}") from error


def _float32(entry: Mapping[str, Any]) -> Float32Array:
    kind, shape, data = entry["dtype"], entry["shape"], entry["data"]
    if kind == "BF16":  # the upper half of a float32; numpy has no such type
        return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4").reshape(shape)
    return np.frombuffer(data, _FLOATS[kind]).astype(np.float32).reshape(shape)


def _collect(adapter: Adapter, base: Gguf) -> dict[str, _Change]:
    """What changes, by GGUF tensor name."""
    if not Architecture.known(base):
        raise AdapterMismatchError(
            f"can't merge into a base of architecture {base.get('general.architecture')!r}",
            hint="known: " + ", ".join(ARCHITECTURES),
        )
    arch = Architecture(base)
    changes: dict[str, _Change] = {}
    for module, parts in _by_module(adapter).items():
        name = _tensor_name(arch, module)
        tensor = base.tensors.get(name)
        if tensor is None and name == OUTPUT_HEAD:
            tensor = base.tensors[TOKEN_EMBEDDING]
        if tensor is None:
            raise AdapterMismatchError(f"{adapter.folder} changes {module}, which the base lacks")
        change = _change(module, parts, adapter, arch)
        _check_fit(module, change, tensor)
        changes[name] = change
    embedding = changes.get(TOKEN_EMBEDDING)
    if embedding is not None and adapter.tied and OUTPUT_HEAD in base.tensors:
        changes.setdefault(OUTPUT_HEAD, embedding)
    _check_rows(changes, base)
    return changes


def _by_module(adapter: Adapter) -> dict[str, dict[str, Float32Array]]:
    modules: dict[str, dict[str, Float32Array]] = {}
    for key, value in _weights(adapter).items():
        match = _KEY.fullmatch(key)
        if match is None:
            raise AdapterMismatchError(f"can't merge {adapter.folder}: unknown weight {key}")
        modules.setdefault(match["module"], {})[match["part"].removeprefix("base_layer.")] = value
    return modules


def _change(
    module: str, parts: Mapping[str, Float32Array], adapter: Adapter, arch: Architecture
) -> _Change:
    name = _tensor_name(arch, module)
    change = _Change(whole=parts.get("weight"))
    if change.whole is not None:
        change.whole = arch.to_gguf_order(name, change.whole)
    factors = _factors(parts)
    if factors is not None:
        left, right = factors
        scale = _scale(adapter.config, module, rank=left.shape[1])
        change.low_rank = (arch.to_gguf_order(name, left) * np.float32(scale), right)
    token_rows = parts.get("token_adapter.trainable_tokens_delta")
    if token_rows is not None:
        indices = _token_indices(adapter.config, module)
        if len(indices) != len(token_rows):
            raise AdapterMismatchError(
                f"{adapter.folder} trains {len(indices)} tokens of {module} "
                f"but has {len(token_rows)} rows"
            )
        change.token_rows = dict(zip(indices, token_rows, strict=True))
    return change


def _factors(parts: Mapping[str, Float32Array]) -> tuple[Float32Array, Float32Array] | None:
    """``(B, A)``, with ``B @ A`` shaped as the weight, or None where there is no LoRA."""
    keys = [key for key in parts if key.startswith("lora_")]
    if not keys:
        return None
    if len(keys) != 2:
        raise AdapterMismatchError(f"the adapter has {keys[0]} without its other half")
    if "lora_embedding_A" in parts:  # looked up by row: peft keeps these the other way round
        return parts["lora_embedding_A"].T, parts["lora_embedding_B"].T
    return parts["lora_B.weight"], parts["lora_A.weight"]


def _check_fit(module: str, change: _Change, tensor: Tensor) -> None:
    shapes = [] if change.whole is None else [(tensor.shape[0], change.whole.shape[1])]
    if change.low_rank is not None:
        left, right = change.low_rank
        height = tensor.shape[0] if change.whole is None else len(change.whole)
        shapes.append((tensor.shape[0] + len(left) - height, right.shape[1]))
    shapes += [(tensor.shape[0], len(row)) for row in change.token_rows.values()]
    misfit = next((shape for shape in shapes if shape != tensor.shape), None)
    if misfit is not None:
        raise AdapterMismatchError(
            f"the adapter's {module} is for a matrix of {misfit}, the base has {tensor.shape}",
            hint="the adapter was trained on another base",
        )


def _check_rows(changes: Mapping[str, _Change], base: Gguf) -> None:
    """Rows past the base's vocabulary must all have weights, in the embedding and in the head."""
    names = [name for name in (TOKEN_EMBEDDING, OUTPUT_HEAD) if name in base.tensors]
    before = base.tensors[TOKEN_EMBEDDING].shape[0]
    after = max(changes[name].row_count(before) if name in changes else before for name in names)
    for name in names:
        change = changes.get(name, _Change())
        known = before if change.whole is None else len(change.whole)
        unknown = set(range(known, after)) - change.token_rows.keys()
        if unknown:
            raise AdapterMismatchError(
                f"the adapter adds tokens up to id {after - 1}, "
                f"but has no {name} row for {min(unknown)}"
            )


def _scale(config: Mapping[str, Any], module: str, *, rank: int) -> float:
    alpha = float(config["lora_alpha"])
    for pattern, value in (config.get("alpha_pattern") or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", module):  # as peft matches them
            alpha = float(value)
            break
    return alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank


def _token_indices(config: Mapping[str, Any], module: str) -> list[int]:
    indices = config.get("trainable_token_indices") or []
    if isinstance(indices, dict):
        indices = next(
            (value for key, value in indices.items() if f".{module}".endswith(f".{key}")), []
        )
    return [int(index) for index in indices]


def _tensor_name(arch: Architecture, module: str) -> str:
    """The tensor that is a module's weight."""
    name = arch.tensor_name(module)
    if name is None:
        raise AdapterMismatchError(
            f"the adapter changes {module}, which the {arch.name} architecture doesn't have"
        )
    return f"{name}.weight"


def _vocabulary(base: Gguf, control_ids: Mapping[str, int], row_count: int) -> dict[str, Any]:
    """The metadata that changes when control tokens take unused rows or new ones."""
    tokens: list[str] = list(base.get("tokenizer.ggml.tokens"))
    types: list[int] = list(base.get("tokenizer.ggml.token_type"))
    before = len(tokens)
    for index in range(before, row_count):
        tokens.append(f"[PAD{index}]")
        types.append(TokenType.UNUSED)
    for text, index in control_ids.items():
        if index >= len(tokens):
            raise AdapterMismatchError(f"the adapter's {text!r} has id {index}, past all rows")
        if types[index] == TokenType.UNUSED:
            tokens[index], types[index] = text, TokenType.CONTROL
        elif tokens[index] != text:
            raise AdapterMismatchError(
                f"the adapter's {text!r} has id {index}, which is {tokens[index]!r} in the base"
            )
    changed: dict[str, Any] = {
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [int(kind) for kind in types],
        f"{base.get('general.architecture')}.vocab_size": len(tokens),
    }
    scores: Iterable[float] | None = base.content("tokenizer.ggml.scores", None)
    if scores is not None:
        changed["tokenizer.ggml.scores"] = [*scores, *[0.0] * (len(tokens) - before)]
    return changed
