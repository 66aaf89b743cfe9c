"""A running server follows promotions, with real weights: SmolLM2-135M learns its FIM tokens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from fimls.fim import FORMATS, Order, PromptBuilder, Tokenizer
from fimls.store import PreparedModel, Store, find_model
from fimls.store.adapters import AdapterRegistry, promote
from tests.e2e.session import editor

pytestmark = [pytest.mark.weights, pytest.mark.slow, pytest.mark.timeout(600)]

FORMAT = FORMATS["pre-post-mid"]
HIDDEN = 576  # of SmolLM2-135M


@pytest.fixture
def home(
    store: Store, smollm2_model: PreparedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A store of its own with the person's model in it: nothing is promoted in theirs."""
    home = tmp_path / "home"
    (home / "converted").mkdir(parents=True)
    (home / "blobs").symlink_to(store.root / "blobs")
    (home / "converted" / smollm2_model.directory.name).symlink_to(smollm2_model.directory)
    monkeypatch.setenv("FIMLS_HOME", str(home))
    return home


def write_adapter(folder: Path, store: Store) -> Path:
    """A LoRA of zeros that adds the format's tokens to SmolLM2, as training would lay it out."""
    spec = find_model("smollm2")
    tokenizer = Tokenizer.from_file(store.tokenizer(spec)).with_added(FORMAT.layout_tokens)
    builder = PromptBuilder(FORMAT, tokenizer, order=Order.SPM)
    manifest = builder.manifest(base=spec.name, base_sha256=spec.sha256)
    rows = [manifest.control_ids[token] for token in FORMAT.layout_tokens]
    folder.mkdir()
    config: Mapping[str, Any] = {
        "peft_type": "LORA",
        "r": 1,
        "lora_alpha": 1,
        "trainable_token_indices": {"embed_tokens": rows},
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    (folder / "fimls_manifest.json").write_text(manifest.to_json())
    module, q_proj = "base_model.model.model", "layers.0.self_attn.q_proj"
    weights = {
        f"{module}.{q_proj}.lora_A.weight": np.zeros((1, HIDDEN), np.float32),
        f"{module}.{q_proj}.lora_B.weight": np.zeros((HIDDEN, 1), np.float32),
        f"{module}.embed_tokens.token_adapter.trainable_tokens_delta": np.zeros(
            (len(rows), HIDDEN), np.float32
        ),
    }
    save_file(weights, folder / "adapter_model.safetensors")
    return folder


async def test_a_promotion_reaches_a_running_server(home: Path, tmp_path: Path) -> None:
    """A base that can't fill in serves once an adapter that taught it is promoted."""
    folder = write_adapter(tmp_path / "taught", Store(home))
    Store(home).prepare(find_model("smollm2"), adapter=folder)  # may take longer than a wait
    async with editor("--model", "smollm2") as session:
        refused = await session.until("error")
        assert "[pre]" in refused["message"]
        promote(folder)
        ready = await session.until("ready")
        assert "taught" == ready["adapter"]
        session.open("def add(a, b):\n    return a")
        assert isinstance(await session.ghost(1, 12, invoked=True), list)
        AdapterRegistry().rollback()
        again = await session.until("error", count=2)
        assert "[pre]" in again["message"]
