from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from gguf import GGMLQuantizationType as Kind
from tokenizers import Tokenizer

from fimls.openvino import openvino as ov
from fimls.progress import Progress, silent
from fimls.store import PathSource, PreparedModel, Store, prepared
from fimls.store.convert import convert
from fimls.store.gguf_file import open_gguf
from fimls.types import AdapterMismatchError, ConfigError, ModelMissingError, StoreError
from tests.unit.store.test_merge import lora, write_adapter
from tests.unit.store.tiny import HIDDEN, make_spec, tensors, vocabulary, write_model

VOCABULARY = len(vocabulary()[0])
EMBEDDING = "token_embd.weight"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "home")


@pytest.fixture
def gguf_file(tmp_path: Path) -> Path:
    """A tiny Qwen."""
    return write_model(tmp_path / "my-model.gguf")


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Replaces the converter by one that writes two small files; the sources it was given."""
    sources: list[Path] = []

    def fake(source: Path, folder: Path, **options: object) -> None:
        sources.append(source)
        (folder / "openvino_model.bin").write_bytes(b"weights")
        (folder / "tokenizer.json").write_text(str(options["quantization"]))

    monkeypatch.setattr(prepared, "convert_in_child", fake)
    return sources


def folders(store: Store) -> list[str]:
    """What is among the conversions, hidden or not."""
    return sorted(path.name for path in (store.root / "converted").iterdir())


def logits(model: PreparedModel) -> npt.NDArray[np.float32]:
    """What a converted model says to a fixed prompt, ``(tokens, vocabulary)``."""
    request = ov.Core().compile_model(
        model.directory / "openvino_model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    ids = np.arange(7, 27)[None]
    result = request(
        {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "position_ids": np.arange(ids.shape[1])[None],
            "beam_idx": np.zeros(1, np.int32),
        }
    )
    return np.array(next(iter(result.values()))[0])


class TestOnce:
    """Converting once, and only then."""

    def test_later_calls_convert_nothing(
        self, store: Store, gguf_file: Path, conversions: list[Path]
    ) -> None:
        """The second call, and another process's, returns the same folder."""
        first = store.prepare(gguf_file)
        assert first == store.prepare(gguf_file) == Store(store.root).prepared(gguf_file)
        assert [gguf_file] == conversions

    @pytest.mark.usefixtures("conversions")
    def test_card(self, store: Store, gguf_file: Path) -> None:
        """``model.json`` says what the folder is."""
        model = store.prepare(gguf_file, quantization="q8_0")
        card = json.loads((model.directory / "model.json").read_text())
        assert ("my-model", "q8_0", None) == (
            card["name"],
            card["quantization"],
            card["adapter_sha256"],
        )
        assert model.base_sha256 == card["base_sha256"]
        assert {"openvino_model.bin": 7, "tokenizer.json": 4} == card["files"]
        assert "q8_0" == model.tokenizer.read_text()

    def test_quantizations_dont_share_a_folder(
        self, store: Store, gguf_file: Path, conversions: list[Path]
    ) -> None:
        """Each quantization is converted for itself."""
        assert store.prepare(gguf_file) != store.prepare(gguf_file, quantization="q8_0")
        assert [gguf_file, gguf_file] == conversions

    def test_known_model(self, store: Store, gguf_file: Path, conversions: list[Path]) -> None:
        """A pulled model is converted from the store's file; name and format are the table's."""
        spec = make_spec(gguf_file.read_bytes())
        path = store.pull(spec, sources=[PathSource(gguf_file)])
        model = store.prepare(spec)
        assert [path] == conversions
        assert ("tiny-model", "qwen2.5-coder", spec.sha256) == (
            model.name,
            model.format,
            model.base_sha256,
        )

    @pytest.mark.usefixtures("conversions")
    def test_nothing_is_left_beside_it(self, store: Store, gguf_file: Path) -> None:
        """Working folders are gone, those of killed processes too."""
        directory = store.prepare(gguf_file).directory
        (directory / "model.json").unlink()
        stale = directory.parent / f".{directory.name}-killed"
        stale.mkdir()
        store.prepare(gguf_file)
        assert [directory.name] == folders(store)


class TestIdentity:
    """What is known of a file before it is converted."""

    def test_any_file(self, store: Store, gguf_file: Path) -> None:
        """A person's own file has its stem for a name, its hash, and no format."""
        base = store.base(gguf_file)
        assert ("my-model", gguf_file, make_spec(gguf_file.read_bytes()).sha256, None) == (
            base.name,
            base.path,
            base.sha256,
            base.format,
        )

    def test_tokenizer_without_conversion(
        self, store: Store, gguf_file: Path, conversions: list[Path]
    ) -> None:
        """The tokenizer alone is made once, and is the one that a conversion would have."""
        path = store.tokenizer(gguf_file)
        made = path.stat().st_mtime_ns
        assert path == store.tokenizer(gguf_file)
        assert made == path.stat().st_mtime_ns
        assert vocabulary()[0].index("def") == Tokenizer.from_file(str(path)).token_to_id("def")
        assert [] == conversions

    def test_folder_of_weights(self, store: Store, tmp_path: Path) -> None:
        """A folder's identity follows its weights and configuration, not its other files."""
        for name in ("config.json", "model.safetensors", "README.md"):
            (tmp_path / name).write_text("one")
        before = store.folder_sha256(tmp_path)
        (tmp_path / "README.md").write_text("another")
        assert before == store.folder_sha256(tmp_path)
        (tmp_path / "model.safetensors").write_text("another")
        assert before != store.folder_sha256(tmp_path)


class TestRebuilt:
    """Folders that aren't whole."""

    @pytest.mark.parametrize(
        "damage",
        [
            lambda folder: (folder / "model.json").unlink(),
            lambda folder: (folder / "model.json").write_text("{"),
            lambda folder: (folder / "model.json").write_text("[]"),
            lambda folder: (folder / "openvino_model.bin").write_bytes(b"weig"),
            lambda folder: (folder / "tokenizer.json").unlink(),
        ],
        ids=["no-card", "broken-card", "other-card", "cut-weights", "no-tokenizer"],
    )
    def test_damaged(
        self,
        store: Store,
        gguf_file: Path,
        conversions: list[Path],
        damage: Callable[[Path], object],
    ) -> None:
        """A damaged folder isn't used; preparing again replaces it."""
        model = store.prepare(gguf_file)
        damage(model.directory)
        assert store.prepared(gguf_file) is None
        assert model == store.prepare(gguf_file)
        assert b"weights" == (model.directory / "openvino_model.bin").read_bytes()
        assert 2 == len(conversions)

    def test_other_converter_version(
        self,
        store: Store,
        gguf_file: Path,
        conversions: list[Path],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A folder made by another version of the converter is replaced."""
        store.prepare(gguf_file)
        monkeypatch.setattr("fimls.store.prepared.CONVERTER_VERSION", 99)
        assert store.prepared(gguf_file) is None
        store.prepare(gguf_file)
        assert 2 == len(conversions)

    def test_failed_conversion_leaves_nothing(
        self, store: Store, gguf_file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A conversion that fails half-way is never a folder."""

        def fail(source: Path, folder: Path, **options: object) -> None:
            (folder / "openvino_model.bin").write_bytes(b"half")
            raise StoreError("it failed")

        monkeypatch.setattr(prepared, "convert_in_child", fail)
        with pytest.raises(StoreError, match="it failed"):
            store.prepare(gguf_file)
        assert store.prepared(gguf_file) is None
        assert [] == folders(store)

    def test_full_disk(
        self, store: Store, gguf_file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A disk that fills up during the conversion is explained, with the space it takes."""

        def fail(source: Path, folder: Path, **options: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(prepared, "convert_in_child", fail)
        with pytest.raises(StoreError, match=r"is full: 0\.00 GB are needed"):
            store.prepare(gguf_file)


class TestRefused:
    """What can't be prepared."""

    def test_not_pulled(self, store: Store) -> None:
        """A known model that isn't there: the hint is the command that fetches it."""
        with pytest.raises(ModelMissingError) as caught:
            store.prepare(make_spec(b"x"))
        assert "fimls pull tiny-model" in caught.value.hint

    def test_no_file(self, store: Store, tmp_path: Path) -> None:
        """A path without a file is named."""
        with pytest.raises(ModelMissingError, match=r"absent\.gguf"):
            store.prepare(tmp_path / "absent.gguf")

    def test_unknown_quantization(self, store: Store, gguf_file: Path) -> None:
        """An unknown quantization is answered with the known ones."""
        with pytest.raises(ConfigError, match="int3") as caught:
            store.prepare(gguf_file, quantization="int3")
        assert "int8, q8_0, q4_0" in caught.value.hint

    def test_adapter_of_another_base(self, store: Store, gguf_file: Path, tmp_path: Path) -> None:
        """An adapter that was trained on another base is refused; the error names both."""
        adapter = write_adapter(tmp_path / "adapter", lora(), manifest={"base_sha256": "f" * 64})
        with pytest.raises(AdapterMismatchError) as caught:
            store.prepare(gguf_file, adapter=adapter)
        assert "f" * 64 in str(caught.value)
        assert make_spec(gguf_file.read_bytes()).sha256 in str(caught.value)

    @pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
    def test_incomplete_adapter(
        self, store: Store, gguf_file: Path, tmp_path: Path, name: str
    ) -> None:
        """A missing file of the adapter is named."""
        adapter = write_adapter(tmp_path / "adapter", lora())
        (adapter / name).unlink()
        with pytest.raises(AdapterMismatchError, match=name):
            store.prepare(gguf_file, adapter=adapter)


@pytest.mark.slow
class TestConversion:
    """The real conversion, in its own process, of a tiny model."""

    @pytest.mark.parametrize("arch", ["qwen2", "llama"])
    def test_int8_says_what_q8_0_says(self, store: Store, tmp_path: Path, arch: str) -> None:
        """Both quantizations give nearly the same logits: no weight and no row is mixed up."""
        path = write_model(tmp_path / "model.gguf", arch)
        expected = logits(store.prepare(path, quantization="q8_0"))
        actual = logits(store.prepare(path, quantization="int8"))
        assert (20, VOCABULARY) == actual.shape
        np.testing.assert_allclose(expected, actual, atol=0.03 * np.abs(expected).max())

    def test_four_bits(self, store: Store, gguf_file: Path) -> None:
        """q4_0 is smaller than q8_0."""
        sizes = {
            quantization: (store.prepare(gguf_file, quantization=quantization).directory)
            .joinpath("openvino_model.bin")
            .stat()
            .st_size
            for quantization in ("q8_0", "q4_0")
        }
        assert sizes["q4_0"] < 0.75 * sizes["q8_0"]

    def test_adapter(self, store: Store, gguf_file: Path, tmp_path: Path) -> None:
        """An adapter's control tokens and weights are in the folder, in one of its own."""
        rows = np.full((1, HIDDEN), 9, np.float32)
        key = "base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta"
        adapter = write_adapter(
            tmp_path / "adapter",
            {key: rows, **lora()},
            trainable_token_indices=[VOCABULARY],
            manifest={"control_ids": {"[mid]": VOCABULARY}, "format": "pre-post-mid"},
        )
        model = store.prepare(gguf_file, adapter=adapter)
        assert model != store.prepare(gguf_file)
        assert "pre-post-mid" == model.format
        assert VOCABULARY == Tokenizer.from_file(str(model.tokenizer)).token_to_id("[mid]")
        assert (20, VOCABULARY + 1) == logits(model).shape

    def test_progress(self, store: Store, gguf_file: Path) -> None:
        """The stages of the other process are reported in order."""
        stages: list[str] = []

        def progress(stage: str, done_bytes: int, total_bytes: int) -> None:
            if stage not in stages:
                stages.append(stage)

        store.prepare(gguf_file, progress=progress)
        assert ["verifying", "rewriting", "converting", "requantizing"] == stages

    def test_current_folder_is_not_imported_from(
        self, store: Store, gguf_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A module named numpy in the person's repository doesn't run."""
        (tmp_path / "numpy.py").write_text("raise SystemExit('ran the repository')")
        monkeypatch.chdir(tmp_path)
        assert store.prepare(gguf_file).tokenizer.exists()

    def test_unknown_architecture(self, store: Store, tmp_path: Path) -> None:
        """What GenAI can't load is an explained error from the other process."""
        path = write_model(tmp_path / "model.gguf", "gemma")
        with pytest.raises(StoreError, match="OpenVINO GenAI can't load this model"):
            store.prepare(path)

    def test_not_gguf(self, store: Store, tmp_path: Path) -> None:
        """A file of another kind is an explained error that names it."""
        (tmp_path / "model.gguf").write_bytes(b"PK\x03\x04" * 100)
        with pytest.raises(StoreError, match=r"model\.gguf is not a readable GGUF file"):
            store.prepare(tmp_path / "model.gguf")

    def test_process_that_dies(
        self, store: Store, gguf_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """A crash in native code is an explained error here, and leaves nothing."""
        broken = tmp_path / "broken"
        broken.mkdir()
        (broken / "openvino_genai.py").write_text("import os; os.kill(os.getpid(), 9)")
        monkeypatch.setenv("PYTHONPATH", str(broken))
        with pytest.raises(StoreError, match="killed by signal 9") as caught:
            store.prepare(gguf_file)
        assert "memory" in caught.value.hint
        assert [] == folders(store)


class TestTied:
    """A matrix that a file has twice."""

    def converted(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: npt.NDArray[np.float32]
    ) -> dict[str, Kind]:
        """The kinds of embedding and head as GenAI would get them."""
        weights = {**tensors("qwen2", VOCABULARY), "output.weight": head}
        path = write_model(
            tmp_path / "twice.gguf",
            weights=weights,
            kinds={EMBEDDING: Kind.Q5_0, "output.weight": Kind.Q8_0},
        )
        seen: dict[str, Kind] = {}

        def genai(rewritten: Path, progress: Progress) -> None:
            seen.update({name: t.kind for name, t in open_gguf(rewritten).tensors.items()})
            np.save(tmp_path / "embedding", open_gguf(rewritten).tensors[EMBEDDING].data)

        monkeypatch.setattr("fimls.store.convert._save_openvino", genai)
        folder = tmp_path / "folder"
        folder.mkdir()
        convert(path, folder, quantization="q8_0", adapter=None, progress=silent)
        return seen

    def test_is_kept_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where embedding and head are one matrix, the finer copy stays, bytes unchanged."""
        head = tensors("qwen2", VOCABULARY)[EMBEDDING]
        seen = self.converted(tmp_path, monkeypatch, head)
        source = open_gguf(tmp_path / "twice.gguf").tensors["output.weight"]
        assert "output.weight" not in seen
        np.testing.assert_array_equal(source.data, np.load(tmp_path / "embedding.npy"))

    def test_two_matrices_stay_two(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """One row that differs by more than rounding makes them two, and both are kept."""
        head = tensors("qwen2", VOCABULARY)[EMBEDDING].copy()
        head[17] *= 1.3
        seen = self.converted(tmp_path, monkeypatch, head)
        assert {EMBEDDING: Kind.Q8_0, "output.weight": Kind.Q8_0}.items() <= seen.items()
