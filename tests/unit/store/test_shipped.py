"""The adapters that come with fimls are whole, small, and of models that it knows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors import safe_open

from fimls.store.adapter import WEIGHTS, Adapter
from fimls.store.adapters import SHIPPED, AdapterRegistry
from fimls.store.models import find_model, known_models

_BYTES_MAX = 20_000_000
_FOLDERS = sorted(path for path in SHIPPED.glob("*") if path.is_dir())


def test_the_default_model_has_one(tmp_path: Path) -> None:
    """It serves until somebody promotes another."""
    default = find_model("0.5b")
    found = AdapterRegistry(tmp_path).serving(default.sha256)
    assert found is not None
    assert ["fimls-0.5b"] == [one.name for one in AdapterRegistry(tmp_path).list()]
    assert "fimls-0.5b" == found.name


@pytest.mark.parametrize("folder", _FOLDERS, ids=lambda folder: folder.name)
def test_it_is_whole(folder: Path) -> None:
    """Its base is a known model, its weights are halves, and its card says what they are."""
    adapter = Adapter.open(folder)
    assert adapter.manifest["base_sha256"] in {model.sha256 for model in known_models()}
    with safe_open(folder / WEIGHTS, "numpy") as weights:
        dtypes = {weights.get_slice(name).get_dtype() for name in weights.keys()}  # noqa: SIM118
    assert {"F16"} == dtypes
    card = (folder / "README.md").read_text("utf-8")
    for part in ("## Data", "## Licence", "## Recipe", "## Scores", "## Limits"):
        assert part in card
    provenance = json.loads((folder / "training.json").read_text("utf-8"))
    assert provenance["base"]["sha256"] == adapter.manifest["base_sha256"]


def test_all_of_them_are_small() -> None:
    """A package stays quick to install."""
    assert sum(file.stat().st_size for file in SHIPPED.rglob("*")) <= _BYTES_MAX
