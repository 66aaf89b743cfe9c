"""A GGUF file, perhaps with an adapter, turned into the folder that the openvino engine loads.

Runs in a process of its own, which :mod:`fimls.store.prepared` starts: its memory is given back,
and a crash in native code can't take the caller down.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from gguf import GGMLQuantizationType, LlamaFileType

from fimls.child import Parent, ParentGoneError
from fimls.progress import Progress, silent
from fimls.store.architectures import OUTPUT_HEAD, TOKEN_EMBEDDING, tie
from fimls.store.gguf_file import Gguf, Tensor, TensorPlan, keep, open_gguf, quantized, write_gguf
from fimls.store.gguf_tokenizer import write_tokenizer
from fimls.types import FimlsError, StoreError

_Kind = GGMLQuantizationType

_BLOCK = 32

_FILE_TYPES = {
    _Kind.F16: LlamaFileType.MOSTLY_F16,
    _Kind.Q8_0: LlamaFileType.MOSTLY_Q8_0,
    _Kind.Q4_0: LlamaFileType.MOSTLY_Q4_0,
}


def convert(
    source: Path,
    folder: Path,
    *,
    quantization: str,
    adapter: Path | None,
    progress: Progress,
) -> None:
    """Fill ``folder`` with the engine's files, the tokenizer's and nothing else.

    quantization: ``int8`` (one scale for each output channel), ``q8_0`` or ``q4_0`` (one for each
    32 weights).

    Raises:
        StoreError: the file can't be read or converted. AdapterMismatchError: the adapter can't be
            merged into it.
    """
    work = folder / "work"
    work.mkdir()
    if adapter is not None:
        from fimls.store.merge import merge_adapter

        merged = work / "merged.gguf"
        merge_adapter(source, adapter, merged, progress=progress)
        source = merged
    original = open_gguf(source)
    write_tokenizer(original, folder / "tokenizer.json")
    kind = _Kind.Q4_0 if quantization == "q4_0" else _Kind.Q8_0
    rewritten = work / "rewritten.gguf"
    originals = rewrite_gguf(original, rewritten, kind, progress=progress)
    _save_openvino(rewritten, progress)
    if quantization == "int8":
        _requantize(work, rewritten, originals, progress)
    for path in work.glob("openvino_*"):
        path.replace(folder / path.name)
    del original, originals  # unmap the files, which Windows can't delete while they are mapped
    shutil.rmtree(work)


def rewrite_gguf(
    original: Gguf,
    path: Path,
    kind: GGMLQuantizationType,
    *,
    metadata: Mapping[str, object] | None = None,
    progress: Progress = silent,
) -> Mapping[str, Tensor]:
    """Write the model with its matrices in one quantization: F16, Q8_0 or Q4_0.

    An embedding and a head that are one matrix are stored once; with Q4_0 both stay Q8_0.
    metadata: replaces contents of keys that the file has.

    Returns what each tensor of the new file was made from, by name.
    """
    tensors = tie(original.tensors)
    if TOKEN_EMBEDDING not in tensors:
        raise StoreError(f"the GGUF file has no {TOKEN_EMBEDDING}")
    write_gguf(
        path,
        original,
        [_rewrite(name, tensor, kind) for name, tensor in tensors.items()],
        metadata={
            **(metadata or {}),
            "general.file_type": int(_FILE_TYPES[kind]),  # GenAI relies on it
        },
        stage="rewriting",
        progress=progress,
    )
    return tensors


def _rewrite(name: str, tensor: Tensor, kind: GGMLQuantizationType) -> TensorPlan:
    """How a tensor is rewritten. GenAI 2026.4 can read Q8_0 and Q4_0, but not Q5_0."""
    if len(tensor.shape) == 1 or tensor.shape[-1] % _BLOCK:
        return keep(tensor, name)  # norms and biases
    if name in (TOKEN_EMBEDDING, OUTPUT_HEAD) and kind == _Kind.Q4_0:
        kind = _Kind.Q8_0  # four bits cost the most quality here and save the least time
    return keep(tensor, name) if tensor.kind == kind else quantized(tensor, kind, name)


def _save_openvino(rewritten: Path, progress: Progress) -> None:
    """Have GenAI read the file and save its graph and tokenizers beside it."""
    from fimls.openvino import load_genai

    openvino_genai = load_genai()
    progress("converting", 0, 0)
    try:
        openvino_genai.LLMPipeline(str(rewritten), "CPU", enable_save_ov_model=True)
    except RuntimeError as error:
        raise StoreError(
            f"OpenVINO GenAI can't load this model: {error}",
            hint="it reads llama, qwen2 and qwen3 architectures from GGUF",
        ) from error


def _requantize(
    work: Path, rewritten: Path, originals: Mapping[str, Tensor], progress: Progress
) -> None:
    from fimls.openvino import openvino
    from fimls.store.requantize import requantize

    path = work / "openvino_model.xml"
    model = openvino.Core().read_model(path)
    requantize(model, open_gguf(rewritten), originals, progress)
    folder = work / "int8"
    folder.mkdir()
    openvino.save_model(model, folder / path.name, compress_to_fp16=False)
    del model
    for saved in folder.iterdir():
        saved.replace(work / saved.name)


def main() -> int:
    """Arguments: the file, the folder, the quantization, and the adapter if there is one.

    Messages: ``{"stage", "done", "total"}``, and at last, if it failed, ``{"error", "message",
    "hint"}``. Returns the exit status.
    """
    source, folder, quantization, *adapter = sys.argv[1:]
    parent = Parent.connect(interruptible=True)

    def progress(stage: str, done: int, total: int) -> None:
        parent.send(stage=stage, done=done, total=total)

    try:
        convert(
            Path(source),
            Path(folder),
            quantization=quantization,
            adapter=Path(adapter[0]) if adapter else None,
            progress=progress,
        )
    except FimlsError as error:
        parent.send(error=type(error).__name__, message=str(error), hint=error.hint)
        return 1
    except ParentGoneError:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
