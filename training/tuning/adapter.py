"""The adapter on its base: made, read and written in peft's format, safetensors only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import peft
import safetensors
import safetensors.torch
import torch

from fimls.fim import Tokenizer
from fimls.store.adapter import CONFIG, WEIGHTS
from training.tuning.kernels import PACKED_ATTENTION, fuse
from training.tuning.recipe import Recipe
from training.types import TrainingError

_FRESH = "begin again with --fresh"


def attach(
    network: Any, recipe: Recipe, *, added: tuple[tuple[str, int], ...], tokenizer: Tokenizer
) -> Any:
    """A peft model: LoRA on all linear layers of the recipe's layers, rows for added tokens.

    The network's attention becomes :mod:`training.tuning.kernels`'s. Deterministic in the
    recipe's seed.

    Raises:
        TrainingError: the network can't have what the recipe or the added tokens ask for.
    """
    torch.manual_seed(recipe.seed)
    if added:
        _add_rows(network, added, tokenizer)
    network.set_attn_implementation(PACKED_ATTENTION)
    network.config.use_cache = False
    if recipe.checkpointing:
        network.gradient_checkpointing_enable({"use_reentrant": False})
    config = peft.LoraConfig(
        task_type="CAUSAL_LM",
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        use_rslora=recipe.rslora,
        use_dora=recipe.dora,
        target_modules=_linear_names(network),
        layers_to_transform=_layers(recipe, network.config.num_hidden_layers),
        trainable_token_indices=[index for _, index in added] or None,
    )
    adapted = peft.get_peft_model(network, config)
    # Updates of bf16 weights would round away; they are kept in float32 and cast when used.
    for parameter in trainable(adapted).values():
        parameter.data = parameter.data.float()
    fuse(adapted)
    return adapted


def trainable(network: Any) -> dict[str, torch.nn.Parameter]:
    """The parameters that learn, by their names in the model, each once."""
    return {
        name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad
    }


def adapter_weights(network: Any) -> dict[str, torch.Tensor]:
    """The adapter's tensors by peft's names, on the CPU; under FSDP every process must call it."""
    # Never "auto": peft would ask the hub whether the base's vocabulary has grown.
    state = peft.get_peft_model_state_dict(network, save_embedding_layers=False)
    return {name: whole(tensor).contiguous().cpu() for name, tensor in state.items()}


def save_adapter(
    network: Any, weights: dict[str, torch.Tensor], folder: Path, *, base: str
) -> None:
    """Write ``adapter_config.json`` and ``adapter_model.safetensors`` into a folder."""
    safetensors.torch.save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    config = network.peft_config["default"].to_dict()
    config.update(base_model_name_or_path=base, inference_mode=True)
    text = json.dumps(config, indent=2, sort_keys=True, default=_jsonable) + "\n"
    (folder / CONFIG).write_text(text, encoding="utf-8")


def load_adapter_weights(network: Any, folder: Path, *, hint: str = _FRESH) -> None:
    """Read back what :func:`save_adapter` wrote, into a model with the same adapter.

    hint: what to do if it can't be.

    Raises:
        TrainingError: it is damaged, or of another shape.
    """
    try:
        state = safetensors.torch.load_file(folder / WEIGHTS)
        expected = peft.get_peft_model_state_dict(network, save_embedding_layers=False)
        if {name: value.shape for name, value in state.items()} != {
            name: value.shape for name, value in expected.items()
        }:
            raise TrainingError(f"{folder / WEIGHTS} is of another adapter", hint=hint)
        peft.set_peft_model_state_dict(network, state)
    except (OSError, safetensors.SafetensorError) as error:
        raise TrainingError(f"can't read {folder / WEIGHTS}: {error}", hint=hint) from error


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """All of a tensor that FSDP keeps in shards; collective, so every process must call it."""
    full = getattr(tensor, "full_tensor", None)
    result: torch.Tensor = full() if full is not None else tensor
    return result.detach()


def _add_rows(network: Any, added: tuple[tuple[str, int], ...], tokenizer: Tokenizer) -> None:
    """Rows for new tokens, each beginning as the mean of the rows of its own spelling."""
    if not network.config.tie_word_embeddings:
        raise TrainingError(
            "tokens can't be added to a base whose head is a matrix of its own",
            hint="choose a base that has fill-in-the-middle tokens",
        )
    rows = max(index for _, index in added) + 1
    if rows > network.get_input_embeddings().num_embeddings:
        network.resize_token_embeddings(rows, mean_resizing=False)
    weight = network.get_input_embeddings().weight
    with torch.no_grad():
        for token, index in added:
            weight[index] = weight[tokenizer.encode(token)].mean(dim=0)


def _linear_names(network: Any) -> list[str]:
    """The last part of the names of all linear layers but the head, as peft's "all-linear"."""
    head = network.get_output_embeddings()
    names = {
        name.rpartition(".")[2]
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    }
    if not names:
        raise TrainingError(f"{type(network).__name__} has no linear layer to adapt")
    return sorted(names)


def _layers(recipe: Recipe, count: int) -> list[int] | None:
    if recipe.layers == "all":
        return None
    wanted = count // 2 if recipe.layers == "top-half" else int(recipe.layers)
    if wanted > count:
        raise TrainingError(
            f"layers = {wanted}, but the base has {count}", hint="layers = 'all' takes all of them"
        )
    return list(range(count - wanted, count))


def _jsonable(value: Any) -> Any:
    """Sets in a fixed order, enumerations by value."""
    return (
        sorted(value)
        if isinstance(value, (set, frozenset))
        else getattr(value, "value", str(value))
    )
