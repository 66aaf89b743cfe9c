from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Kind

from fimls.store.gguf_file import float32, keep, open_gguf, quantized, rows, write_gguf
from fimls.types import StoreError
from tests.unit.store.tiny import tensors, vocabulary, write_model

KINDS = {
    "blk.0.attn_q.weight": Kind.Q8_0,
    "blk.0.attn_k.weight": Kind.Q5_0,
    "blk.0.ffn_up.weight": Kind.F16,
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A model with tensors of several kinds."""
    return write_model(tmp_path / "model.gguf", kinds=KINDS)


def test_reads_what_the_gguf_package_reads(path: Path) -> None:
    """Metadata, shapes, kinds and values equal those of the format's own reader."""
    reference = gguf.GGUFReader(path)
    actual = open_gguf(path)
    expected = {
        key: entry.contents()
        for key, entry in reference.fields.items()
        if not key.startswith("GGUF.")
    }
    assert expected == {key: value.content for key, value in actual.metadata.items()}
    assert [tensor.name for tensor in reference.tensors] == list(actual.tensors)
    for tensor in reference.tensors:
        ours = actual.tensors[tensor.name]
        assert tuple(reversed(tensor.shape.tolist())) == ours.shape
        assert tensor.tensor_type == ours.kind
        dequantized = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        np.testing.assert_array_equal(dequantized, rows(ours))


@pytest.mark.parametrize("size_bytes", [0, 3, 24, 300, 5_000, -1])
def test_cut_off_file(path: Path, size_bytes: int) -> None:
    """A file that ends too early, at whatever place, is an explained error that names it."""
    path.write_bytes(path.read_bytes()[:size_bytes])
    with pytest.raises(StoreError, match=r"model\.gguf is not a readable GGUF file"):
        open_gguf(path)


@pytest.mark.parametrize(
    ("at", "value", "named"),
    [
        (0, b"GGML", "doesn't begin with GGUF"),
        (4, b"\x09", "version 9"),
        (8, b"\xff" * 8, "model.gguf"),
    ],
)
def test_damaged_header(path: Path, at: int, value: bytes, named: str) -> None:
    """An impossible header is an explained error."""
    content = bytearray(path.read_bytes())
    content[at : at + len(value)] = value
    path.write_bytes(content)
    with pytest.raises(StoreError, match=named):
        open_gguf(path)


def test_missing_key(path: Path) -> None:
    """A missing key is named in the error; with a default there is none."""
    model = open_gguf(path)
    with pytest.raises(StoreError, match=r"no\.such\.key"):
        model.get("no.such.key")
    assert model.content("no.such.key", 7) == 7


def test_some_rows(path: Path) -> None:
    """Some rows are dequantized without the others."""
    tensor = open_gguf(path).tensors["blk.0.attn_k.weight"]
    np.testing.assert_array_equal(rows(tensor)[5:9], rows(tensor, 5, 9))


def test_rewrite(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kept tensors keep their bytes, others are quantized as whole ones would be, in pieces."""
    monkeypatch.setattr("fimls.store.gguf_file.ROWS_AT_ONCE", 7)
    base = open_gguf(path)
    k, q = base.tensors["blk.0.attn_k.weight"], base.tensors["blk.0.attn_q.weight"]
    plans = [
        keep(q, "kept"),
        quantized(k, Kind.Q8_0, "requantized"),
        float32("computed", (2, 3), lambda: np.arange(6, dtype=np.float32).reshape(2, 3)),
    ]
    calls: list[tuple[str, int, int]] = []
    write_gguf(
        tmp_path / "out.gguf",
        base,
        plans,
        metadata={"qwen2.block_count": 5},
        progress=lambda *call: calls.append(call),
    )
    out = open_gguf(tmp_path / "out.gguf")
    assert ["kept", "requantized", "computed"] == list(out.tensors)
    assert q.data.tobytes() == out.tensors["kept"].data.tobytes()
    expected = gguf.quants.quantize(rows(k), Kind.Q8_0)
    np.testing.assert_array_equal(expected, out.tensors["requantized"].data)
    np.testing.assert_array_equal([[0, 1, 2], [3, 4, 5]], rows(out.tensors["computed"]))
    assert {**base.metadata, "qwen2.block_count": None}.keys() == out.metadata.keys()
    assert (5, vocabulary()[0]) == (out.get("qwen2.block_count"), out.get("tokenizer.ggml.tokens"))
    size_bytes = sum(plan.size_bytes for plan in plans)
    assert ("writing", size_bytes, size_bytes) == calls[-1]


def test_written_file_is_read_by_the_gguf_package(path: Path, tmp_path: Path) -> None:
    """Other readers take a rewritten file for GGUF too."""
    base = open_gguf(path)
    plans = [keep(tensor, name) for name, tensor in base.tensors.items()]
    write_gguf(tmp_path / "out.gguf", base, plans)
    reference = gguf.GGUFReader(tmp_path / "out.gguf")
    weights = tensors("qwen2", len(vocabulary()[0]))
    plain = {tensor.name: tensor for tensor in reference.tensors if tensor.name not in KINDS}
    for name, tensor in plain.items():
        np.testing.assert_array_equal(weights[name], tensor.data)
