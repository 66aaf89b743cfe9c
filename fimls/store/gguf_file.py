"""GGUF files: read, dequantized, and written again tensor by tensor.

Reading gives metadata as Python values and tensors as views of the mapped file. The reader is ours
because the ``gguf`` package's takes 15 s for the 300,000 strings of a Qwen tokenizer, against 0.3 s
here, and a conversion opens four files. The layout is that of the GGUF specification, versions 2
and 3, little-endian. Writing never holds a whole model: each tensor's bytes are made as it is
written.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFValueType, GGUFWriter

from fimls.progress import Progress, silent
from fimls.types import StoreError

Float32Array = npt.NDArray[np.float32]

ROWS_AT_ONCE = 8192
"""Rows dequantized at a time: 29 MB of float32 where a row has 896 columns."""

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_DEFAULT_ALIGNMENT = 32
_MAX_DIMENSIONS = 4

_SCALARS = {
    GGUFValueType.UINT8: "B",
    GGUFValueType.INT8: "b",
    GGUFValueType.UINT16: "H",
    GGUFValueType.INT16: "h",
    GGUFValueType.UINT32: "I",
    GGUFValueType.INT32: "i",
    GGUFValueType.UINT64: "Q",
    GGUFValueType.INT64: "q",
    GGUFValueType.FLOAT32: "f",
    GGUFValueType.FLOAT64: "d",
    GGUFValueType.BOOL: "?",
}

_PLAIN_DTYPES: dict[GGMLQuantizationType, npt.DTypeLike] = {
    GGMLQuantizationType.F32: np.float32,
    GGMLQuantizationType.F16: np.float16,
}


@dataclass(frozen=True, slots=True)
class Value:
    """A metadata value."""

    kind: GGUFValueType
    item_kind: GGUFValueType | None
    """The kind of an array's items; None: it is no array."""
    content: Any


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor in a file."""

    name: str
    kind: GGMLQuantizationType
    shape: tuple[int, ...]
    """Logical, rows first; GGUF stores it the other way round."""
    data: npt.NDArray[Any]
    """A view of the file: floats for plain kinds, else uint8 ``(rows, bytes of a row)``."""


@dataclass(frozen=True, slots=True)
class Gguf:
    """An opened file."""

    path: Path
    metadata: dict[str, Value]
    tensors: dict[str, Tensor]
    """By name, in the file's order."""

    def get(self, key: str) -> Any:
        """A metadata value's content.

        Raises:
            StoreError: there is no such key.
        """
        if key not in self.metadata:
            raise StoreError(f"the GGUF file {self.path} has no {key!r}")
        return self.metadata[key].content

    def content(self, key: str, default: Any) -> Any:
        """A metadata value's content, or the default."""
        value = self.metadata.get(key)
        return default if value is None else value.content


def open_gguf(path: Path) -> Gguf:
    """Map a GGUF file into memory.

    Raises:
        StoreError: it is not a GGUF file, or damaged, or of a kind not known here.
        OSError: it can't be opened.
    """
    with path.open("rb") as stream:
        try:
            data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
            return _Parser(data).parse(path)
        except (ValueError, struct.error, KeyError, OverflowError) as error:
            raise StoreError(f"{path} is not a readable GGUF file: {error}") from error


def rows(tensor: Tensor, start: int = 0, stop: int | None = None) -> Float32Array:
    """Dequantize ``tensor[start:stop]`` along its first axis to float32; a new array."""
    data = tensor.data[start:stop]
    if tensor.kind in (GGMLQuantizationType.F32, GGMLQuantizationType.F16):
        return data.astype(np.float32)
    return gguf.quants.dequantize(data, tensor.kind)


@dataclass(frozen=True, slots=True)
class TensorPlan:
    """A tensor of a file to be written."""

    name: str
    kind: GGMLQuantizationType
    """Its type on disk."""
    shape: tuple[int, ...]
    """Logical, rows first."""
    data: Callable[[], npt.NDArray[Any]]
    """Makes its bytes; called once."""

    @property
    def size_bytes(self) -> int:
        """On disk, padding left out."""
        block_elements, block_bytes = GGML_QUANT_SIZES[self.kind]
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


class _Parser:
    """Walks the header. Reading past the end raises struct.error; a wrong tag ValueError."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 0

    def parse(self, path: Path) -> Gguf:
        if self._bytes(4) != _MAGIC:
            raise ValueError("it doesn't begin with GGUF")
        version = self._scalar("I")
        if version not in _VERSIONS:
            raise ValueError(f"version {version}")
        tensor_count, value_count = self._scalar("Q"), self._scalar("Q")
        metadata = {}
        for _ in range(value_count):
            key = self._string()
            metadata[key] = self._value(GGUFValueType(self._scalar("I")))
        headers = [self._tensor_header() for _ in range(tensor_count)]
        aligned = metadata.get("general.alignment")
        alignment = _DEFAULT_ALIGNMENT if aligned is None else int(aligned.content)
        start = -(-self._at // alignment) * alignment
        tensors = {
            name: self._tensor(name, kind, shape, start + offset)
            for name, kind, shape, offset in headers
        }
        return Gguf(path, metadata, tensors)

    def _bytes(self, count: int) -> bytes:
        piece = self._data[self._at : self._at + count]
        if len(piece) != count:
            raise ValueError("it ends too early")
        self._at += count
        return piece

    def _scalar(self, code: str) -> Any:
        (value,) = struct.unpack_from("<" + code, self._data, self._at)
        self._at += struct.calcsize("<" + code)
        return value

    def _string(self) -> str:
        return self._bytes(self._scalar("Q")).decode("utf-8")

    def _value(self, kind: GGUFValueType) -> Value:
        if kind != GGUFValueType.ARRAY:
            return Value(kind, None, self._reader(kind)())
        item_kind = GGUFValueType(self._scalar("I"))
        count = self._scalar("Q")
        if item_kind in _SCALARS:
            code = f"<{count}{_SCALARS[item_kind]}"
            items = list(struct.unpack_from(code, self._data, self._at))
            self._at += struct.calcsize(code)
        else:
            read = self._reader(item_kind)
            items = [read() for _ in range(count)]
        return Value(kind, item_kind, items)

    def _reader(self, kind: GGUFValueType) -> Callable[[], Any]:
        if kind == GGUFValueType.STRING:
            return self._string
        code = _SCALARS[kind]
        return lambda: self._scalar(code)

    def _tensor_header(self) -> tuple[str, GGMLQuantizationType, tuple[int, ...], int]:
        name = self._string()
        dimensions = self._scalar("I")
        if not 1 <= dimensions <= _MAX_DIMENSIONS:
            raise ValueError(f"tensor {name!r} has {dimensions} dimensions")
        shape = tuple(self._scalar("Q") for _ in range(dimensions))[::-1]
        return name, GGMLQuantizationType(self._scalar("I")), shape, self._scalar("Q")

    def _tensor(
        self, name: str, kind: GGMLQuantizationType, shape: tuple[int, ...], offset: int
    ) -> Tensor:
        block_elements, block_bytes = GGML_QUANT_SIZES[kind]
        row_bytes = shape[-1] // block_elements * block_bytes
        row_shape = (*shape[:-1], row_bytes)
        count = int(np.prod(row_shape))
        raw = np.frombuffer(self._data, np.uint8, count, offset).reshape(row_shape)
        return Tensor(name, kind, shape, raw.view(_PLAIN_DTYPES.get(kind, np.uint8)))
