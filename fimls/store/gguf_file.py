"""Tensors of a GGUF file in float32, and files rewritten tensor by tensor.

Nothing here holds a whole model: what is written is made when its turn has come.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt
from gguf import GGMLQuantizationType, GGUFWriter

from fimls.store.gguf_reader import Gguf, Tensor
from fimls.store.progress import Progress, silent

Float32Array = npt.NDArray[np.float32]

TOKEN_EMBEDDING, OUTPUT_HEAD = "token_embd.weight", "output.weight"
"""GGUF's names of the two matrices that a tied model has in one."""

ROWS_AT_ONCE = 8192
"""Rows dequantized at a time: 29 MB of float32 where a row has 896 columns."""


def rows(tensor: Tensor, start: int = 0, stop: int | None = None) -> Float32Array:
    """Dequantize ``tensor[start:stop]`` along its first axis to float32; a new array."""
    data = tensor.data[start:stop]
    if tensor.kind in (GGMLQuantizationType.F32, GGMLQuantizationType.F16):
        return data.astype(np.float32)
    return gguf.quants.dequantize(data, tensor.kind)


@dataclass(frozen=True, slots=True)
class TensorPlan:
    """A tensor of the file to be written.

    kind: its type on disk. shape: logical, rows first. data: makes its bytes, called once.
    """

    name: str
    kind: GGMLQuantizationType
    shape: tuple[int, ...]
    data: Callable[[], npt.NDArray[Any]]

    @property
    def size_bytes(self) -> int:
        """On disk, padding left out."""
        block_elements, block_bytes = gguf.GGML_QUANT_SIZES[self.kind]
        return int(np.prod(self.shape)) // block_elements * block_bytes


def keep(tensor: Tensor, name: str) -> TensorPlan:
    """The tensor as it is, under a name."""
    return TensorPlan(name, tensor.kind, tensor.shape, lambda: tensor.data)


def quantized(tensor: Tensor, kind: GGMLQuantizationType, name: str) -> TensorPlan:
    """The tensor in another quantization, through float32."""

    def data() -> npt.NDArray[Any]:
        return np.concatenate(
            [
                gguf.quants.quantize(rows(tensor, start, start + ROWS_AT_ONCE), kind)
                for start in range(0, tensor.shape[0], ROWS_AT_ONCE)
            ]
        )

    return TensorPlan(name, kind, tensor.shape, data)


def float32(name: str, shape: tuple[int, ...], data: Callable[[], Float32Array]) -> TensorPlan:
    """A computed tensor."""
    return TensorPlan(name, GGMLQuantizationType.F32, shape, data)


def write_gguf(
    path: Path,
    base: Gguf,
    tensors: Sequence[TensorPlan],
    *,
    metadata: Mapping[str, Any] | None = None,
    stage: str = "writing",
    progress: Progress = silent,
) -> None:
    """Write a GGUF file with ``base``'s metadata and these tensors.

    ``metadata`` replaces contents of keys that ``base`` has; their kinds stay.
    """
    replaced = metadata or {}
    writer = GGUFWriter(path, base.get("general.architecture"))
    try:
        for key, value in base.metadata.items():
            if key != "general.architecture":  # the writer's own
                content = replaced.get(key, value.content)
                writer.add_key_value(key, content, value.kind, value.item_kind)
        for tensor in tensors:
            # The dtype is asked for where raw_dtype is missing, and must only not be uint8.
            writer.add_tensor_info(
                tensor.name,
                tensor.shape,
                np.dtype(np.float32),
                tensor.size_bytes,
                raw_dtype=tensor.kind,
            )
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        total_bytes = sum(tensor.size_bytes for tensor in tensors)
        done_bytes = 0
        for tensor in tensors:
            progress(stage, done_bytes, total_bytes)
            writer.write_tensor_data(np.ascontiguousarray(tensor.data()))
            done_bytes += tensor.size_bytes
        progress(stage, total_bytes, total_bytes)
    finally:
        writer.close()
