"""An export holds the merged model, in each form, whole or not at all."""

from __future__ import annotations

import errno
import json
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType
from safetensors.numpy import load_file

from fimls.files import file_sha256
from fimls.fim import Manifest, Tokenizer
from fimls.progress import silent
from fimls.store import Store
from fimls.store.gguf_file import open_gguf, rows
from fimls.types import AdapterMismatchError, StoreError, UnknownModelError
from tests.unit.store.test_merge import lora, to_gguf, transformers_name, write_adapter
from tests.unit.store.tiny import CONTROL, tensors, vocabulary, write_model
from training.export import ExportSource, Target, export_adapter
from training.export import export as export_module
from training.types import ExportError

TOKENS = vocabulary()[0]
Q_PROJ = "model.layers.0.self_attn.q_proj.weight"


def manifest_of(base: Path) -> Manifest:
    """What training would write for a tiny base."""
    return Manifest(
        format="qwen2.5-coder",
        orders=("spm",),
        control_ids={token: TOKENS.index(token) for token in CONTROL},
        tokenizer_sha256="",
        base="tiny",
        base_sha256=file_sha256(base),
    )


def make_source(tmp_path: Path, arch: str = "qwen2", **adapter: Any) -> ExportSource:
    """A tiny base and an adapter that adds 4 to each weight of a matrix."""
    state = tensors(arch, len(TOKENS))
    gguf = {name: to_gguf(arch, name, weight) for name, weight in state.items()}
    base = write_model(tmp_path / "base.gguf", arch, weights=gguf)
    manifest = json.loads(manifest_of(base).to_json())
    folder = write_adapter(tmp_path / "mine", lora(), manifest=manifest, **adapter)
    return ExportSource.of(str(folder), str(base), Store(tmp_path / "home"), silent)


@pytest.mark.parametrize("arch", ["qwen2", "llama"])
def test_hugging_face_weights(tmp_path: Path, arch: str) -> None:
    """Names and row order are transformers', the adapter is added, the rest is the base's."""
    exported = export_adapter(make_source(tmp_path, arch), tmp_path / "out", to="hf")
    weights = load_file(exported.folder / "model.safetensors")
    expected = {
        transformers_name(name): weight for name, weight in tensors(arch, len(TOKENS)).items()
    }
    expected[Q_PROJ] = expected[Q_PROJ] + 4
    assert expected.keys() == weights.keys()
    for name, weight in expected.items():
        np.testing.assert_allclose(weights[name], weight, rtol=2e-3, atol=1e-6, err_msg=name)
    config = json.loads((exported.folder / "config.json").read_text())
    assert (True, len(TOKENS), "float16") == (
        config["tie_word_embeddings"],
        config["vocab_size"],
        config["dtype"],
    )


@pytest.mark.slow
@pytest.mark.timeout(300)  # importing torch and transformers takes a minute where disks crawl
@pytest.mark.parametrize("arch", ["qwen2", "llama"])
def test_transformers_loads_what_was_exported(tmp_path: Path, arch: str) -> None:
    """Nothing is missing or left over, a forward pass is finite, text encodes as it is served."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    exported = export_adapter(make_source(tmp_path, arch), tmp_path / "out", to="hf")
    model, info = transformers.AutoModelForCausalLM.from_pretrained(
        exported.folder, output_loading_info=True
    )
    assert {} == {key: names for key, names in info.items() if names}
    tokenizer = transformers.AutoTokenizer.from_pretrained(exported.folder)
    text = "def area(self): return pi  # \u00e9"
    ids = Tokenizer.from_file(exported.folder / "tokenizer.json").encode(text)
    assert ids == tokenizer(text)["input_ids"]
    assert bool(torch.isfinite(model(torch.tensor([ids])).logits).all())
    stops = sorted(TOKENS.index(token) for token in CONTROL)
    assert stops == model.generation_config.eos_token_id


@pytest.mark.parametrize("quantization", ["q8_0", "q4_0", "f16"])
def test_gguf_kinds(tmp_path: Path, quantization: str) -> None:
    """Matrices come in the kind asked for, but for the embedding in four bits; norms stay exact."""
    exported = export_adapter(
        make_source(tmp_path), tmp_path / "out", to="gguf", quantization=quantization
    )
    assert tmp_path / "out" / f"mine-{quantization}.gguf" == exported.file
    model = open_gguf(exported.file)
    wanted = GGMLQuantizationType[quantization.upper()]
    embedding = GGMLQuantizationType.Q8_0 if quantization == "q4_0" else wanted
    assert wanted == model.tensors["blk.0.attn_q.weight"].kind
    assert embedding == model.tensors["token_embd.weight"].kind
    assert GGMLQuantizationType.F32 == model.tensors["output_norm.weight"].kind
    base = tensors("qwen2", len(TOKENS))["blk.0.attn_q.weight"]
    merged = rows(model.tensors["blk.0.attn_q.weight"])
    np.testing.assert_allclose(merged, base + 4, atol=0.6 if quantization == "q4_0" else 0.03)


def test_what_stands_beside_the_weights(tmp_path: Path) -> None:
    """The manifest goes along, and a card says what the folder was made from."""
    source = make_source(tmp_path)
    (source.adapter.folder / "chat_template.jinja").write_text("{{ messages }}")
    exported = export_adapter(source, tmp_path / "out", to="gguf")
    assert Manifest.read(exported.folder) == source.manifest
    assert "{{ messages }}" == (exported.folder / "chat_template.jinja").read_text()
    card = json.loads((exported.folder / "fimls_export.json").read_text())
    assert ("mine", source.adapter.sha256(), source.base.sha256, "q8_0") == (
        card["adapter"],
        card["adapter_sha256"],
        card["base_sha256"],
        card["quantization"],
    )
    sizes = {path.name: path.stat().st_size for path in exported.folder.iterdir()}
    del sizes["fimls_export.json"]
    assert sizes == card["files"]


def test_openvino_is_the_stores_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What serving loads is copied, in the quantization asked for."""
    prepared = tmp_path / "prepared"
    prepared.mkdir()
    (prepared / "openvino_model.xml").write_text("<net/>")
    asked: list[dict[str, Any]] = []

    class Prepared:
        directory = prepared

    def prepare(_store: Store, _model: object, **options: Any) -> Prepared:
        asked.append(options)
        return Prepared()

    monkeypatch.setattr(Store, "prepare", prepare)
    source = make_source(tmp_path)
    exported = export_adapter(source, tmp_path / "out", to="openvino", quantization="q4_0")
    assert "<net/>" == (exported.folder / "openvino_model.xml").read_text()
    ((quantization, folder),) = [(one["quantization"], one["adapter"]) for one in asked]
    assert ("q4_0", source.adapter.folder) == (quantization, folder)


@pytest.mark.parametrize(("to", "quantization"), [("hf", "q8_0"), ("gguf", "int8")])
def test_a_quantization_that_the_form_lacks(tmp_path: Path, to: Target, quantization: str) -> None:
    """The error names those that there are, and nothing is written."""
    with pytest.raises(ExportError, match=f"{to} has no quantization '{quantization}'") as caught:
        export_adapter(make_source(tmp_path), tmp_path / "out", to=to, quantization=quantization)
    assert "f16" in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_an_adapter_of_another_base(tmp_path: Path) -> None:
    """It is refused before anything is read, and both bases are named."""
    source = make_source(tmp_path)
    other = write_model(tmp_path / "other.gguf", weights=tensors("qwen2", len(TOKENS), seed=1))
    with pytest.raises(AdapterMismatchError) as caught:
        ExportSource.of(str(source.adapter.folder), str(other), Store(tmp_path / "home"), silent)
    assert source.base.sha256 in str(caught.value)
    assert file_sha256(other) in str(caught.value)


def test_a_base_that_nobody_knows(tmp_path: Path) -> None:
    """The manifest's hash is of no known model: the person is asked for the file."""
    folder = str(make_source(tmp_path).adapter.folder)
    store = Store(tmp_path / "home")
    with pytest.raises(ExportError, match="none of the known models") as caught:
        ExportSource.of(folder, None, store, silent)
    assert "--model" in caught.value.hint
    with pytest.raises(UnknownModelError, match="no adapter"):
        ExportSource.of("nowhere", None, store, silent)
    with pytest.raises(ExportError, match="is a folder"):
        ExportSource.of(folder, str(tmp_path), store, silent)


def test_an_adapter_that_cannot_be_merged(tmp_path: Path) -> None:
    """DoRA is refused by name, and leaves nothing behind."""
    with pytest.raises(AdapterMismatchError, match="use_dora"):
        export_adapter(make_source(tmp_path, use_dora=True), tmp_path / "out", to="gguf")
    assert ["base.gguf", "home", "mine"] == sorted(path.name for path in tmp_path.iterdir())


def test_out_is_never_overwritten(tmp_path: Path) -> None:
    """A folder with something in it, or a file, is left as it is."""
    source = make_source(tmp_path)
    with pytest.raises(ExportError, match="is there already"):
        export_adapter(source, tmp_path / "mine", to="gguf")
    with pytest.raises(ExportError, match="is there already"):
        export_adapter(source, tmp_path / "base.gguf", to="gguf")


def test_a_disk_that_is_too_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too little space is found out before the work begins."""
    source = make_source(tmp_path)
    usage = namedtuple("usage", "total used free")  # noqa: PYI024 - as shutil's own
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1, 0, 1))
    with pytest.raises(ExportError, match="is full: about"):
        export_adapter(source, tmp_path / "out", to="gguf")


@pytest.mark.parametrize(
    "failure",
    [OSError(errno.ENOSPC, "No space left on device"), StoreError("damaged")],
    ids=["disk-full", "damaged"],
)
def test_a_failure_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    """However an export ends, there is no half of one, and no work folder."""
    source = make_source(tmp_path)

    def fail(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(export_module, "rewrite_gguf", fail)
    with pytest.raises((ExportError, StoreError)) as caught:
        export_adapter(source, tmp_path / "out", to="gguf")
    assert ("is full" in str(caught.value)) is isinstance(failure, OSError)
    assert ["base.gguf", "home", "mine"] == sorted(path.name for path in tmp_path.iterdir())
