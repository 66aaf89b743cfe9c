"""An adapter merged into its base, in the form that another program loads."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gguf import GGMLQuantizationType

from fimls import __version__
from fimls.fim.manifest import MANIFEST_FILE
from fimls.progress import Progress, silent
from fimls.store import QUANTIZATIONS, Store
from fimls.store.convert import rewrite_gguf
from fimls.store.gguf_file import open_gguf
from fimls.store.merge import merge_adapter
from training.export.huggingface import write_huggingface
from training.export.output import output_folder
from training.export.source import ExportSource
from training.types import ExportError

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
# which a four-bit file has 0.8 (its head and embedding stand in it twice).
_MERGE_SPACE = 10


@dataclass(frozen=True, slots=True)
class Exported:
    """A finished export. folder: where it lies. file: what to give to a program that wants one."""

    source: ExportSource
    to: Target
    quantization: str
    folder: Path
    file: Path


@dataclass(frozen=True, slots=True)
class _Job:
    source: ExportSource
    quantization: str
    folder: Path
    work: Path
    store: Store
    progress: Progress


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
        job = _Job(source, quantization, new, work, store or Store(), progress)
        name = _WRITERS[to](job)
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


def _write_gguf(job: _Job) -> str:
    name = f"{job.source.name}-{job.quantization}.gguf"
    _merge(job, job.folder / name)
    return name


def _write_huggingface(job: _Job) -> str:
    """Through GGUF in float16, where an embedding and a head that are one matrix become one."""
    half = job.work / "half.gguf"
    _merge(job, half)
    write_huggingface(open_gguf(half), job.folder, job.source.manifest, progress=job.progress)
    return ""


def _write_openvino(job: _Job) -> str:
    """The store's folder, which serving uses too."""
    prepared = job.store.prepare(
        job.source.model,
        adapter=job.source.adapter.folder,
        quantization=job.quantization,
        progress=job.progress,
    )
    shutil.copytree(prepared.directory, job.folder, dirs_exist_ok=True)
    return ""


def _merge(job: _Job, path: Path) -> None:
    """Write the merged model as GGUF, with the adapter's chat template where it has one."""
    merged = job.work / "merged.gguf"
    adapter = job.source.adapter.folder
    merge_adapter(job.source.base.path, adapter, merged, progress=job.progress)
    model = open_gguf(merged)
    template = adapter / _CHAT_TEMPLATE
    metadata: dict[str, object] = {}
    if template.is_file() and "tokenizer.chat_template" in model.metadata:
        metadata["tokenizer.chat_template"] = template.read_text("utf-8")
    rewrite_gguf(model, path, _KINDS[job.quantization], metadata=metadata, progress=job.progress)
    del model  # unmap the file before it goes
    merged.unlink()


_WRITERS: Mapping[Target, Callable[[_Job], str]] = {
    "hf": _write_huggingface,
    "gguf": _write_gguf,
    "openvino": _write_openvino,
}

EXPORT_QUANTIZATIONS: Mapping[Target, tuple[str, ...]] = {
    "hf": ("f16",),
    "gguf": tuple(_KINDS),
    "openvino": QUANTIZATIONS,
}
"""What each target can be written in; the first is its default."""
