from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType as Kind

from fimls.openvino import openvino as ov
from fimls.openvino import ops
from fimls.progress import silent
from fimls.store.gguf_file import Gguf, open_gguf, quantized, rows, write_gguf
from fimls.store.requantize import per_channel, requantize
from tests.unit.store.tiny import HIDDEN, write_model

NAME = "blk.0.attn_q.weight"


def test_error_is_half_a_step() -> None:
    """Each value is within half a step of its own, the step being a row's largest over 127."""
    values = np.random.default_rng(0).standard_normal((5, 40)).astype(np.float32)
    quants, scale = per_channel(lambda start, stop: values[start:stop], values.shape)
    assert np.all(np.abs(quants * scale - values) <= scale * 0.5001)
    np.testing.assert_allclose(np.abs(values).max(axis=1) / 127, scale[:, 0], rtol=1e-6)


def test_zeros_stay_zeros() -> None:
    """A row of zeros has no step of its own, and no NaN either."""
    zeros = np.zeros((2, 8), np.float32)
    quants, scale = per_channel(lambda start, stop: zeros[start:stop], zeros.shape)
    np.testing.assert_array_equal(zeros, quants * scale)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Gguf, Gguf]:
    """A float32 model, and its Q8_0 copy."""
    original = open_gguf(write_model(tmp_path / "original.gguf"))
    plans = [
        quantized(tensor, Kind.Q8_0, name)
        for name, tensor in original.tensors.items()
        if len(tensor.shape) == 2
    ]
    write_gguf(tmp_path / "q8.gguf", original, plans)
    return original, open_gguf(tmp_path / "q8.gguf")


def graph(q8: Gguf, order: list[int]) -> ov.Model:
    """``x @ weight.T`` with the weight as GenAI writes it, rows in some order."""
    blocks = q8.tensors[NAME].data.reshape(HIDDEN, -1, 34)[order]
    scale = np.ascontiguousarray(blocks[..., :2]).view(np.float16)
    quants = (np.ascontiguousarray(blocks[..., 2:]).view(np.int8).astype(np.int16) + 128).astype(
        np.uint8
    )
    zero = np.full_like(quants[..., :1], 128)
    signed = ops.subtract(
        ops.convert(ops.constant(quants), "f16"), ops.convert(ops.constant(zero), "f16")
    )
    scaled = ops.multiply(signed, ops.constant(scale))
    flat = ops.reshape(scaled, ops.constant(np.array([HIDDEN, HIDDEN])), special_zero=False)
    x = ops.parameter([1, HIDDEN], np.float32)
    product = ops.matmul(x, ops.convert(flat, "f32"), transpose_a=False, transpose_b=True)
    return ov.Model([product], [x])


def weight_of(model: ov.Model) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """The weight that the model multiplies by, ``(rows, columns)``."""
    (int8,) = [
        node.data
        for node in model.get_ordered_ops()
        if node.get_type_name() == "Constant" and node.data.dtype == np.int8
    ]
    (scale,) = [
        node.data
        for node in model.get_ordered_ops()
        if node.get_type_name() == "Constant" and node.data.dtype == np.float32
    ]
    return np.asarray(int8 * scale)


@pytest.mark.parametrize("reverse", [False, True], ids=["as-is", "reordered"])
def test_values_come_from_the_original(files: tuple[Gguf, Gguf], *, reverse: bool) -> None:
    """A weight is recognised by its bytes, rows reordered or not, and rounded only once."""
    original, q8 = files
    order = [0, *(range(HIDDEN - 1, 0, -1) if reverse else range(1, HIDDEN))]
    model = graph(q8, order)

    recognised = requantize(model, q8, original.tensors, silent)

    values = rows(original.tensors[NAME])[order]
    quants, scale = per_channel(lambda start, stop: values[start:stop], values.shape)
    assert recognised == 1
    np.testing.assert_array_equal(quants * scale, weight_of(model))


def test_unknown_weight_comes_from_the_graph(files: tuple[Gguf, Gguf]) -> None:
    """A weight that no tensor of the file matches is computed from the graph's own values."""
    original, q8 = files
    order = [HIDDEN - 1, *range(HIDDEN - 1)]  # no reordering of GenAI's moves the first row
    model = graph(q8, order)

    recognised = requantize(model, q8, original.tensors, silent)

    values = rows(q8.tensors[NAME])[order]
    quants, scale = per_channel(lambda start, stop: values[start:stop], values.shape)
    assert recognised == 0
    np.testing.assert_allclose(quants * scale, weight_of(model), atol=1e-6)


def test_the_model_still_computes(files: tuple[Gguf, Gguf]) -> None:
    """Compiled, the requantized graph multiplies by nearly the weight it had."""
    original, q8 = files
    model = graph(q8, list(range(HIDDEN)))
    requantize(model, q8, original.tensors, silent)
    x = np.random.default_rng(1).standard_normal((1, HIDDEN)).astype(np.float32)
    (actual,) = ov.Core().compile_model(model, "CPU")([x]).values()
    expected = x @ rows(original.tensors[NAME]).T
    np.testing.assert_allclose(expected, actual, atol=0.02 * np.abs(expected).max())
