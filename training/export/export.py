"""An adapter merged into its base, in the form that another program loads.

An output folder exists only once it is whole.
"""

from __future__ import annotations

import contextlib
import errno
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gguf import GGMLQuantizationType

from fimls import __version__
from fimls.engines.loading import model_source
from fimls.fim import Manifest
from fimls.fim.manifest import MANIFEST_FILE
from fimls.progress import Progress, silent
from fimls.store import QUANTIZATIONS, BaseFile, ModelSpec, Store
from fimls.store.adapter import Adapter
from fimls.store.adapters import AdapterRegistry
from fimls.store.convert import rewrite_gguf
from fimls.store.gguf_file import open_gguf
from fimls.store.merge import merge_adapter
from fimls.store.models import find_model_by_sha256
from training.export.huggingface import write_huggingface
from training.types import ExportError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
Target = Literal["hf", "gguf", "openvino"]
EXPORT_FILE = "fimls_export.json"
"""Says what the folder was made from; written last."""
_CHAT_TEMPLATE = "chat_template.jinja"
_KINDS = {
    "q8_0": GGMLQuantizationType.Q8_0,
    "q4_0": GGMLQuantizationType.Q4_0,
    "f16": GGMLQuantizationType.F16,
}
# A merge holds most weights as float32, and its result beside them: 4 to 8 bytes a weight, of
# which a four-bit file has 0.8 (it has the head and the embedding twice).
_MERGE_SPACE = 10
EXPORT_QUANTIZATIONS: Mapping[Target, tuple[str, ...]] = {
    "hf": ("f16",),
    "gguf": tuple(_KINDS),
    "openvino": QUANTIZATIONS,
}
"""What each target can be written in; the first is its default."""


@dataclass(frozen=True, slots=True)
class ExportSource:
    """An adapter and its base."""

    name: str
    """The name of the adapter's folder."""
    adapter: Adapter
    manifest: Manifest
    model: ModelSpec | Path
    """What the store knows the base by."""
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


@contextlib.contextmanager
def scratch_folder(out: Path, needed_bytes: int) -> Iterator[Path]:
    """A folder beside ``out``, on the same disk, that is removed whatever happens.

    Raises:
        ExportError: there is too little space, now or later, or the folder can't be written.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        free_bytes = shutil.disk_usage(out.parent).free
        if free_bytes < needed_bytes:
            raise OSError(errno.ENOSPC, "too little space")
        with tempfile.TemporaryDirectory(
            dir=out.parent, prefix=f".{out.name}-", ignore_cleanup_errors=True
        ) as name:
            yield Path(name)
    except OSError as error:
        if error.errno in _FULL:
            raise ExportError(
                f"the disk of {out.parent} is full: about {needed_bytes / 1e9:.1f} GB are needed "
                "while exporting",
                hint="free some space, or export to another disk",
            ) from error
        raise ExportError(
            f"can't write {out}: {error.strerror or error}", hint="check the folder's permissions"
        ) from error


@contextlib.contextmanager
def output_folder(out: Path, needed_bytes: int) -> Iterator[tuple[Path, Path]]:
    """Two folders: one that becomes ``out`` when the block ends well, one for work on the way.

    Raises:
        ExportError: ``out`` is there already; or as :func:`scratch_folder`.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ExportError(f"{out} is there already", hint="choose another folder, or remove it")
    with scratch_folder(out, needed_bytes) as scratch:
        new, work = scratch / "new", scratch / "work"
        new.mkdir()
        work.mkdir()
        yield new, work
        new.replace(out)


@dataclass(frozen=True, slots=True)
class Exported:
    """A finished export."""

    source: ExportSource
    to: Target
    quantization: str
    folder: Path
    file: Path
    """What to give to a program that wants a file; else the folder."""


def export_adapter(
    source: ExportSource,
    out: Path,
    *,
    to: Target,
    quantization: str | None = None,
    store: Store | None = None,
    progress: Progress = silent,
) -> Exported:
    """Write the merged model to the folder ``out``, which exists only once it is whole.

    quantization: one of ``EXPORT_QUANTIZATIONS[to]``; by default the first.

    Raises:
        ExportError: no such quantization, ``out`` is there already, or the disk is full.
        AdapterMismatchError: the adapter can't be merged into its base.
        StoreError: the base can't be read or converted.
    """
    quantization = quantization or EXPORT_QUANTIZATIONS[to][0]
    if quantization not in EXPORT_QUANTIZATIONS[to]:
        raise ExportError(
            f"{to} has no quantization {quantization!r}",
            hint="one of " + ", ".join(EXPORT_QUANTIZATIONS[to]),
        )
    out = out.absolute()
    needed_bytes = _MERGE_SPACE * source.base.path.stat().st_size
    with output_folder(out, needed_bytes) as (new, work):
        name = ""
        if to == "openvino":  # the store's folder, which serving uses too
            prepared = (store or Store()).prepare(
                source.model,
                adapter=source.adapter.folder,
                quantization=quantization,
                progress=progress,
            )
            shutil.copytree(prepared.directory, new, dirs_exist_ok=True)
        elif to == "gguf":
            name = f"{source.name}-{quantization}.gguf"
            _merge(source, quantization, work, new / name, progress)
        else:  # through float16 GGUF, where an embedding and a head that are one matrix become one
            _merge(source, quantization, work, work / "half.gguf", progress)
            half = open_gguf(work / "half.gguf")
            write_huggingface(half, new, source.manifest, progress=progress)
        for beside in (MANIFEST_FILE, _CHAT_TEMPLATE):
            if (source.adapter.folder / beside).is_file():
                shutil.copy2(source.adapter.folder / beside, new)
        card = {
            "adapter": source.name,
            "adapter_sha256": source.adapter.sha256(),
            "base": source.base.name,
            "base_sha256": source.base.sha256,
            "to": to,
            "quantization": quantization,
            "code_version": __version__,
            "files": {path.name: path.stat().st_size for path in sorted(new.iterdir())},
        }
        (new / EXPORT_FILE).write_text(json.dumps(card, indent=2) + "\n", "utf-8")
    return Exported(source, to, quantization, out, out / name)


def _merge(
    source: ExportSource, quantization: str, work: Path, path: Path, progress: Progress
) -> None:
    """Write the merged model as GGUF, with the adapter's chat template where it has one."""
    merged = work / "merged.gguf"
    adapter = source.adapter.folder
    merge_adapter(source.base.path, adapter, merged, progress=progress)
    model = open_gguf(merged)
    template = adapter / _CHAT_TEMPLATE
    metadata: dict[str, object] = {}
    if template.is_file() and "tokenizer.chat_template" in model.metadata:
        metadata["tokenizer.chat_template"] = template.read_text("utf-8")
    rewrite_gguf(model, path, _KINDS[quantization], metadata=metadata, progress=progress)
    del model  # unmap the file before it goes
    merged.unlink()
