"""A peft LoRA folder: what it says about itself, before any weight is read."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fimls.types import AdapterMismatchError

CONFIG, WEIGHTS, MANIFEST = (
    "adapter_config.json",
    "adapter_model.safetensors",
    "fimls_manifest.json",
)


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter folder."""

    folder: Path
    config: dict[str, Any]
    """peft's ``adapter_config.json``."""
    manifest: dict[str, Any] = field(default_factory=dict)
    """What training wrote beside it, {} if nothing."""

    @classmethod
    def open(cls, folder: Path) -> Adapter:
        """Read an adapter's descriptions.

        Raises:
            AdapterMismatchError: it isn't a LoRA adapter, or its files can't be read.
        """
        config = _read_object(folder / CONFIG)
        kind = config.get("peft_type")
        if kind != "LORA":
            raise AdapterMismatchError(f"{folder} is a {kind} adapter; only LORA can be merged")
        if not (folder / WEIGHTS).is_file():
            raise AdapterMismatchError(f"{folder} has no {WEIGHTS}")
        has_manifest = (folder / MANIFEST).exists()
        return cls(folder, config, _read_object(folder / MANIFEST) if has_manifest else {})

    @property
    def format(self) -> str | None:
        """The FIM format it was trained in, where its manifest says so."""
        name = self.manifest.get("format")
        return name if isinstance(name, str) else None

    @property
    def control_ids(self) -> dict[str, int]:
        """Ids of the control tokens it was trained with, by token text."""
        return dict(self.manifest.get("control_ids", {}))

    @property
    def tied(self) -> bool:
        """Whether embedding and head were one matrix in training, so that both change alike.

        transformers takes a GGUF file that stores both to be untied: the default here too.
        """
        return bool(self.manifest.get("tie_word_embeddings", False))

    def check_base(self, name: str, sha256: str) -> None:
        """Refuse a base that the adapter wasn't trained on.

        Raises:
            AdapterMismatchError: names both.
        """
        trained_on = self.manifest.get("base_sha256")
        if trained_on is not None and trained_on != sha256:
            trained_name = self.manifest.get("base", "another base")
            raise AdapterMismatchError(
                f"the adapter {self.folder} was trained on {trained_name} (SHA-256 {trained_on}), "
                f"not on {name} (SHA-256 {sha256})",
                hint="use the base that its manifest names, or train it again on this one",
            )

    def sha256(self) -> str:
        """Over the three files, in a fixed order."""
        digest = hashlib.sha256()
        for name in (CONFIG, WEIGHTS, MANIFEST):
            path = self.folder / name
            content = path.read_bytes() if path.exists() else b""
            digest.update(f"{name}:{len(content)}\n".encode())
            digest.update(content)
        return digest.hexdigest()


def _read_object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise AdapterMismatchError(
            f"can't read {path}: {error.strerror}", hint="name the folder that peft wrote"
        ) from error
    except ValueError as error:
        raise AdapterMismatchError(f"{path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise AdapterMismatchError(f"{path} is not a JSON object")
    return value
