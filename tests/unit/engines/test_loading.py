"""Which adapter the settings mean, and the tokenizer that it makes of its base's."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Literal

import pytest

from fimls.config import NO_ADAPTER, Settings
from fimls.engines.loading import adapter_folder, adapter_label, tokenizer_with
from fimls.files import file_sha256
from fimls.fim import Manifest, Tokenizer
from fimls.store import Store
from fimls.store.adapters import promote
from fimls.types import AdapterMismatchError, UnknownModelError

MANIFEST = Manifest(
    format="pre-post-mid",
    orders=("spm",),
    control_ids={"[mid]": 259, "<|im_end|>": 256, "[pre]": 257, "[post]": 258},
    tokenizer_sha256="",
    base="tiny",
    base_sha256="",
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "home")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A file used as a base: only its hash is asked for."""
    path = tmp_path / "tiny.gguf"
    path.write_bytes(b"weights")
    return path


@pytest.fixture
def adapter(tmp_path: Path, model: Path) -> Path:
    """An adapter's folder, trained on that base."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    (folder / "adapter_model.safetensors").write_bytes(b"")
    manifest = {"base": "tiny", "base_sha256": file_sha256(model)}
    (folder / "fimls_manifest.json").write_text(json.dumps(manifest))
    return folder


def test_unset_means_the_promoted_one(store: Store, model: Path, adapter: Path) -> None:
    """Before a promotion the model alone, then its adapter; "none" stays the model alone."""
    settings = Settings(model=str(model))
    assert adapter_folder(settings, store) is None
    promote(adapter, root=store.root)
    assert store.root / "adapters" / "mine" == adapter_folder(settings, store)
    assert "mine" == adapter_label(settings, store)
    alone = dataclasses.replace(settings, adapter=NO_ADAPTER)
    assert adapter_folder(alone, store) is None
    assert "" == adapter_label(alone, store)


def test_another_model_is_not_concerned(store: Store, tmp_path: Path, adapter: Path) -> None:
    """An adapter that is promoted for one base doesn't serve another."""
    promote(adapter, root=store.root)
    other = tmp_path / "other.gguf"
    other.write_bytes(b"others")
    assert adapter_folder(Settings(model=str(other)), store) is None


@pytest.mark.parametrize("engine", ["http", "scripted"])
def test_a_servers_model_is_its_own_affair(
    store: Store, model: Path, adapter: Path, engine: Literal["http", "scripted"]
) -> None:
    """Engines that don't load from the store follow no promotion, only what is named."""
    promote(adapter, root=store.root)
    settings = dataclasses.replace(Settings(model=str(model)), engine=engine)
    assert adapter_folder(settings, store) is None
    named = dataclasses.replace(settings, adapter="mine")
    assert store.root / "adapters" / "mine" == adapter_folder(named, store)


def test_named_adapters(store: Store, adapter: Path) -> None:
    """A folder serves as it is, whatever the model; an unknown word is an error."""
    assert adapter == adapter_folder(Settings(adapter=str(adapter)), store)
    assert str(adapter) == adapter_label(Settings(adapter=str(adapter)), store)
    with pytest.raises(UnknownModelError, match="no adapter 'nobody'"):
        adapter_folder(Settings(adapter="nobody"), store)


def test_a_file_that_is_gone(store: Store, tmp_path: Path) -> None:
    """A model's file that is gone is an error, not the model alone."""
    gone = tmp_path / "gone.gguf"
    gone.write_bytes(b"")
    settings = Settings(model=str(gone))
    gone.unlink()
    with pytest.raises(UnknownModelError):
        adapter_folder(settings, store)


def test_tokens_that_an_adapter_added() -> None:
    """They get the manifest's ids, in the order of the ids."""
    tokenizer = tokenizer_with(MANIFEST, Tokenizer.of_bytes(["<|im_end|>"]))
    assert MANIFEST.control_ids == dict(tokenizer.control_tokens)


def test_tokens_with_other_ids_are_refused() -> None:
    """A base with one token more would shift the adapter's rows."""
    with pytest.raises(AdapterMismatchError, match=r"'\[pre\]' has id 257, and would be 258"):
        tokenizer_with(MANIFEST, Tokenizer.of_bytes(["<|im_end|>", "<|more|>"]))
