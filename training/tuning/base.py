"""What a run begins from: the base model, and the adapter whose weights it continues, if any.

fimls' own adapter has learnt to fill in and to stop; a repository's adapter goes on from there.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fimls.config import NO_ADAPTER
from fimls.engines.loading import model_source
from fimls.fim import FimFormat, Manifest, Tokenizer, find_format
from fimls.store import Store
from fimls.store.adapter import Adapter
from fimls.store.adapters import AdapterRegistry
from training.dialogue import DIALOGUE_TOKENS
from training.tuning.recipe import Recipe
from training.types import TrainingError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Base:
    """A base model."""

    name: str
    sha256: str
    """As the store gives it."""
    path: Path
    """A GGUF file or a Hugging Face folder."""
    format: FimFormat
    tokenizer: Tokenizer
    """With the added tokens."""
    tokenizer_file: Path
    """Without the added tokens."""
    added: tuple[tuple[str, int], ...] = ()
    """Each token that the base lacks, with its id."""

    def tokenizer_json(self) -> str:
        """A ``tokenizer.json`` with the added tokens, as transformers and tokenizers read it."""
        description = json.loads(self.tokenizer_file.read_text("utf-8"))
        description["added_tokens"] += [
            {
                "id": index,
                "content": token,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
            for token, index in self.added
        ]
        return json.dumps(description, ensure_ascii=False)


def find_base(
    model: str, store: Store, *, format_name: str | None = None, dialogues: bool = False
) -> Base:
    """A known model, a GGUF file or a model folder; reads no weights.

    A base without fill-in-the-middle tokens gets those of its format's row; with ``dialogues`` it
    gets a dialogue's too.

    Raises:
        UnknownModelError, ModelMissingError, StoreError: it isn't there, or its format is
            unknown.
    """
    source = model_source(model)
    if isinstance(source, Path) and source.is_dir():
        file = source / "tokenizer.json"
        row = find_format(format_name or source.name)
        base = Base(
            source.name, store.folder_sha256(source), source, row, Tokenizer.from_file(file), file
        )
    else:
        found = store.base(source)
        file = store.tokenizer(source)
        row = find_format(format_name or found.format or found.name)
        base = Base(found.name, found.sha256, found.path, row, Tokenizer.from_file(file), file)
    base = _with_fim_tokens(base)
    return _with_tokens(base, DIALOGUE_TOKENS) if dialogues else base


def _with_fim_tokens(base: Base) -> Base:
    required = (*base.format.layout_tokens, base.format.end)
    missing = [token for token in required if base.tokenizer.control_id(token) is None]
    if not missing:
        return base
    if not base.format.adds_tokens:
        raise TrainingError(
            f"{base.name} has no {', '.join(missing)}, which the format {base.format.name} needs",
            hint="name the format of the model's own family, or pre-post-mid, whose tokens are "
            "added and trained",
        )
    return _with_tokens(base, missing)


def _with_tokens(base: Base, tokens: Sequence[str]) -> Base:
    tokenizer = base.tokenizer.with_added(tokens)
    new = [token for token in tokens if base.tokenizer.control_id(token) is None]
    added = tuple((token, tokenizer.control_tokens[token]) for token in new)
    return dataclasses.replace(base, tokenizer=tokenizer, added=(*base.added, *added))


def load_network(base: Base, *, device: str, four_bit: bool) -> Any:
    """The base's weights in :func:`fastest_dtype`; ``four_bit``: nf4.

    Raises:
        TrainingError: 4 bits without CUDA. ModelError, StoreError: the weights can't be read.
    """
    import tempfile

    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise TrainingError(
            "this machine, or this build of torch, has no CUDA device",
            hint="leave --device out, or install a CUDA build of torch",
        )
    if four_bit and device != "cuda":
        raise TrainingError(
            "4-bit training (qlora) needs a CUDA device",
            hint="train with method = lora, which this processor can do",
        )
    dtype = fastest_dtype(device)
    if base.path.is_dir():
        return _from_folder(base.path, dtype, four_bit=four_bit)
    from training.tuning.gguf_network import load_gguf_network

    network = load_gguf_network(base.path, dtype)
    if not four_bit:
        return network
    # bitsandbytes quantizes while transformers reads a folder, so it gets one for a moment.
    with tempfile.TemporaryDirectory() as folder:
        network.save_pretrained(folder)
        del network
        return _from_folder(Path(folder), dtype, four_bit=True)


def fastest_dtype(device: str) -> Any:
    """bf16 where matrix units compute it, on CUDA and CPUs with AMX; float32 on other CPUs.

    With AMX bf16 reads 2.4 times the tokens a second of float32, without it fewer.
    """
    import torch

    # Older versions of torch don't tell.
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    half = device == "cuda" or capabilities.get("amx_bf16", False)
    return torch.bfloat16 if half else torch.float32


def _from_folder(folder: Path, dtype: Any, *, four_bit: bool) -> Any:
    import torch
    import transformers

    from fimls.types import ModelError

    options: dict[str, Any] = {}
    if four_bit:
        options["device_map"] = {"": torch.cuda.current_device()}
        options["quantization_config"] = transformers.BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        )
    try:
        return transformers.AutoModelForCausalLM.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=dtype, **options
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(
            f"transformers can't load {folder}: {error}",
            hint="give a Hugging Face model folder with safetensors weights",
        ) from error


def starting_folder(named: str, base: Base) -> Path | None:
    """The folder of the adapter of that name; "": fimls' own for this base, if any; ``none``: none.

    Raises:
        UnknownModelError: there is no such adapter.
    """
    if named == NO_ADAPTER:
        return None
    registry = AdapterRegistry()
    return registry.find(named) if named else registry.shipped(base.sha256)


def starting_adapter(named: str, base: Base, recipe: Recipe) -> Adapter | None:
    """The adapter in :func:`starting_folder`; fimls' own only if the recipe fits it.

    Raises:
        UnknownModelError: there is no such adapter.
        AdapterMismatchError: it was trained on another base.
        TrainingError: the recipe makes adapters of another shape.
    """
    folder = starting_folder(named, base)
    if folder is None:
        return None
    adapter = Adapter.open(folder)
    adapter.check_base(base.name, base.sha256)
    different = _differences(adapter, base, recipe)
    if different and named:
        raise TrainingError(
            f"can't begin from {named}: {different}",
            hint="change the recipe, or --start none begins from the base alone",
        )
    if different:
        _log.warning("beginning from the base alone, not from %s: %s", folder.name, different)
        return None
    return adapter


def _differences(adapter: Adapter, base: Base, recipe: Recipe) -> str:
    """Why an adapter of this recipe can't take up the other's weights; "" if it can."""
    config = adapter.config
    before = {
        "rank": config.get("r"),
        "alpha": config.get("lora_alpha"),
        "rslora": config.get("use_rslora", False),
        "dora": config.get("use_dora", False),
        "layers": "all" if config.get("layers_to_transform") is None else "some",
        "format": adapter.format,
    }
    now = {
        "rank": recipe.rank,
        "alpha": recipe.alpha,
        "rslora": recipe.rslora,
        "dora": recipe.dora,
        # Which ones, the weights' names tell when they are loaded.
        "layers": "all" if recipe.layers == "all" else "some",
        "format": base.format.name,
    }
    parts = [f"{key} {before[key]}, not {now[key]}" for key in now if before[key] != now[key]]
    added = dict(base.added)
    control_ids = Manifest.read(adapter.folder).control_ids
    if any(control_ids.get(token) != index for token, index in added.items()):
        parts.append("other added tokens")
    return "; ".join(parts)
