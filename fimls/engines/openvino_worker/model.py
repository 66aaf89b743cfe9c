"""The model over a paged cache of keys and values."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fimls.openvino import openvino, ops, paged_attention_transformation

FloatRows = npt.NDArray[np.float32]

_ROWS = "rows"
_MADV_DONTNEED = 4


@dataclass(frozen=True, slots=True)
class Part:
    """The tokens of one sequence that a step computes."""

    ids: Sequence[int]
    past: int
    """How many of the sequence's tokens come before them."""
    table: Sequence[int]
    """The sequence's blocks."""
    rows: int
    """After how many of the last of ``ids`` the logits are wanted."""


class PagedModel:
    """A causal language model whose sequences live in numbered blocks of keys and values.

    OpenVINO's own transformation turns the attention of a stateful model into paged attention
    (Kwon et al. 2023); logits are computed only where they are asked for.

    Raises:
        RuntimeError: the folder holds no such model, or OpenVINO can't compile it.
    """

    def __init__(
        self, directory: Path, *, blocks: int, block_tokens: int, properties: Mapping[str, object]
    ) -> None:
        model = openvino.Core().read_model(directory / "openvino_model.xml")
        paged_attention_transformation(model)
        _add_row_choice(model)
        compiled = openvino.compile_model(model, "CPU", dict(properties))
        self._block_tokens = block_tokens
        self._request = compiled.create_infer_request()
        self._caches = list(_caches(compiled, blocks))
        for name, cache in self._caches:
            self._request.set_tensor(name, openvino.Tensor(cache, shared_memory=True))

    def copy_block(self, source: int, target: int) -> None:
        """Make ``target``'s keys and values those of ``source``."""
        for _, cache in self._caches:
            cache[target] = cache[source]

    def step(self, parts: Sequence[Part]) -> list[FloatRows]:
        """Compute the parts together, at most one for each sequence.

        Returns each one's logits, ``(rows, vocabulary)``, valid until the next step.

        Raises:
            RuntimeError: the inference failed.
        """
        counts = [len(part.ids) for part in parts]
        tables = [
            part.table[: -(-(part.past + count) // self._block_tokens)]
            for part, count in zip(parts, counts, strict=True)
        ]
        ends = np.cumsum(counts)
        rows = [np.arange(end - part.rows, end) for part, end in zip(parts, ends, strict=True)]
        positions = [
            np.arange(part.past, part.past + count)
            for part, count in zip(parts, counts, strict=True)
        ]
        longest = max(part.past + count for part, count in zip(parts, counts, strict=True))
        self._set("input_ids", np.concatenate([part.ids for part in parts]), np.int64)
        self._set("position_ids", np.concatenate(positions), np.int64)
        self._set("max_context_len", longest, np.int32)
        self._set("past_lens", [part.past for part in parts], np.int32)
        self._set("subsequence_begins", [0, *ends], np.int32)
        self._set("block_indices", np.concatenate(tables), np.int32)
        self._set("block_indices_begins", [0, *np.cumsum(list(map(len, tables)))], np.int32)
        self._set(_ROWS, np.concatenate(rows), np.int64)
        self._request.infer()
        logits = self._request.get_tensor("logits").data
        flat = logits.reshape(-1, logits.shape[-1])
        return np.split(flat, np.cumsum([part.rows for part in parts])[:-1])

    def _set(self, name: str, values: npt.ArrayLike, dtype: npt.DTypeLike) -> None:
        self._request.set_tensor(name, openvino.Tensor(np.asarray(values, dtype=dtype)))


def _add_row_choice(model: openvino.Model) -> None:
    """Add an input that chooses rows before the output head, the largest matrix of the model."""
    head = model.output("logits").get_node().input_value(0).get_node()
    if head.get_type_name() != "MatMul":
        raise RuntimeError(
            f"the model's logits come from {head.get_type_name()}, not from a MatMul"
        )
    rows = ops.parameter([-1], openvino.Type.i64, name=_ROWS)
    rows.output(0).set_names({_ROWS})
    hidden = ops.gather(head.input_value(0), rows, ops.constant(np.int64(0)))
    head.input(0).replace_source_output(hidden.output(0))
    model.add_parameters([rows])
    model.validate_nodes_and_infer_types()


def _caches(
    compiled: openvino.CompiledModel, blocks: int
) -> Iterator[tuple[str, npt.NDArray[np.float16]]]:
    """Each layer's keys and values by the input's name, ``(blocks, heads, block, head size)``.

    They are zeros, because NaNs in unused slots would spread. Pages cost no memory until they are
    written.
    """
    for port in compiled.inputs:
        name = port.get_any_name()
        if name.startswith(("key_cache.", "value_cache.")):
            _, *shape = port.partial_shape
            sizes = [blocks, *(size.get_length() for size in shape)]
            yield name, np.zeros(sizes, dtype=port.element_type.to_dtype())


def release_mapped_weights() -> None:
    """Let the operating system have the pages of the weight file: inference uses a packed copy.

    Half of a small model's resident memory is its mapped file, which was read once. The mapping
    stays valid: a page that is read again comes from the file. Linux only.
    """
    maps = Path("/proc/self/maps")
    if not maps.exists():
        return
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for line in maps.read_text(encoding="utf-8").splitlines():
        span, access, *_ = line.split()
        if line.endswith("openvino_model.bin") and "w" not in access:
            start, end = (int(address, 16) for address in span.split("-"))
            madvise(start, end - start, _MADV_DONTNEED)
