"""What is exported: an adapter, its manifest and the base it was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fimls.engines.loading import model_source
from fimls.fim import Manifest
from fimls.progress import Progress
from fimls.store import BaseFile, ModelSpec, Store
from fimls.store.adapter import Adapter
from fimls.store.adapters import AdapterRegistry
from fimls.store.models import find_model_by_sha256
from training.types import ExportError


@dataclass(frozen=True, slots=True)
class ExportSource:
    """An adapter and its base. name: of the adapter's folder. model: the base in the store."""

    name: str
    adapter: Adapter
    manifest: Manifest
    model: ModelSpec | Path
    base: BaseFile

    @classmethod
    def of(cls, adapter: str, model: str | None, store: Store, progress: Progress) -> ExportSource:
        """Find an adapter, by its registered name or its folder, and its base.

        model: the base's name or GGUF file, where the manifest's SHA-256 belongs to no known model.

        Raises:
            UnknownModelError: no such adapter, or model. AdapterMismatchError: the adapter has no
                manifest, or was trained on another base. ModelMissingError: the base isn't here.
            ExportError: it is unknown which file the base is, or it is no GGUF file.
        """
        registry = AdapterRegistry(store.root)
        folder = registry.find(adapter)
        opened, manifest = Adapter.open(folder), Manifest.read(folder)
        source = model_source(model) if model else find_model_by_sha256(manifest.base_sha256)
        if source is None:
            raise ExportError(
                f"{manifest.base} (SHA-256 {manifest.base_sha256[:12]}...), which {adapter} was "
                "trained on, is none of the known models",
                hint="name its GGUF file with --model",
            )
        if isinstance(source, Path) and source.is_dir():
            raise ExportError(
                f"{source} is a folder; only adapters of a GGUF base can be exported",
                hint="serve it with the torch engine, or merge it with peft's merge_and_unload",
            )
        base = store.base(source, progress)
        opened.check_base(base.name, base.sha256)
        return cls(folder.resolve().name, opened, manifest, source, base)
