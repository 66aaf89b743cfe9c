"""The folder that an engine loads, and the card in it that says what it is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fimls.files import write_atomically

CONVERTER_VERSION = 2
"""Raised whenever a conversion would come out different: older folders are then rebuilt."""

QUANTIZATIONS = ("int8", "q8_0", "q4_0")

_CARD = "model.json"


@dataclass(frozen=True, slots=True)
class PreparedModel:
    """A model ready to load.

    directory: ``openvino_model.xml`` and what belongs to it. tokenizer: ``tokenizer.json`` in it.
    base_sha256: of the GGUF file it was made from. adapter_sha256: of the adapter merged into it,
    or None. format: the FIM format's row name, None for a file nobody knows.
    """

    name: str
    directory: Path
    tokenizer: Path
    base_sha256: str
    adapter_sha256: str | None
    format: str | None
    quantization: str


def write_card(model: PreparedModel, openvino_version: str) -> None:
    """Write ``model.json``, last of all: it lists the folder's files and their sizes."""
    card = {
        "name": model.name,
        "base_sha256": model.base_sha256,
        "adapter_sha256": model.adapter_sha256,
        "format": model.format,
        "quantization": model.quantization,
        "converter_version": CONVERTER_VERSION,
        "openvino_version": openvino_version,
        "files": {path.name: path.stat().st_size for path in sorted(model.directory.iterdir())},
    }
    write_atomically(model.directory / _CARD, json.dumps(card, indent=1).encode())


def is_whole(model: PreparedModel) -> bool:
    """Whether the folder holds exactly this model, complete, made by this converter."""
    try:
        card: dict[str, Any] = json.loads((model.directory / _CARD).read_text("utf-8"))
        sizes = {name: (model.directory / name).stat().st_size for name in card["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return False  # absent, half there or damaged: all three are rebuilt
    expected = {
        "base_sha256": model.base_sha256,
        "adapter_sha256": model.adapter_sha256,
        "quantization": model.quantization,
        "converter_version": CONVERTER_VERSION,
        "files": sizes,
    }
    return {key: card.get(key) for key in expected} == expected
