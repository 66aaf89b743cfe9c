from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
import transformers
from gguf import GGMLQuantizationType

from fimls.store import Store
from fimls.types import ModelError
from tests.training.tuning import tiny
from tests.unit.store.test_merge import to_gguf, transformers_name
from tests.unit.store.tiny import (
    HEADS,
    HIDDEN,
    INNER,
    KV_HEADS,
    LAYERS,
    tensors,
    vocabulary,
    write_model,
)
from training.tuning.base import fastest_dtype, find_base, load_network
from training.tuning.general import general_suite
from training.tuning.gguf_network import load_gguf_network
from training.types import TrainingError

VOCABULARY = len(vocabulary()[0])


@pytest.mark.parametrize("arch", ["qwen2", "llama"])
def test_a_gguf_network_is_the_model_it_was_written_from(tmp_path: Path, arch: str) -> None:
    """Every weight is in its place and order: the logits are those of the original network."""
    config_type = {"qwen2": transformers.Qwen2Config, "llama": transformers.LlamaConfig}[arch]
    config = config_type(
        vocab_size=VOCABULARY,
        hidden_size=HIDDEN,
        intermediate_size=INNER,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=KV_HEADS,
        rms_norm_eps=1e-6,
        max_position_embeddings=256,
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    original = transformers.AutoModelForCausalLM.from_config(config)
    state = original.state_dict()
    weights = {
        name: to_gguf(arch, name, state[transformers_name(name)].float().numpy())
        for name in tensors(arch, VOCABULARY)
    }
    path = write_model(tmp_path / "model.gguf", arch, weights=weights)
    network = load_gguf_network(path, torch.float32)
    ids = torch.arange(40)[None]
    with torch.no_grad():
        expected, actual = original.eval()(ids).logits, network.eval()(ids).logits
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-5)


def test_a_head_that_is_the_embedding_again_is_tied_to_it(tmp_path: Path) -> None:
    """In the finer of both quantizations; a head of its own stays its own."""
    weights = tensors("qwen2", VOCABULARY)
    embedding = weights["token_embd.weight"]
    q4, q8 = GGMLQuantizationType.Q4_0, GGMLQuantizationType.Q8_0
    path = write_model(
        tmp_path / "tied.gguf",
        weights={**weights, "output.weight": embedding},
        kinds={"token_embd.weight": q4, "output.weight": q8},
    )
    tied = load_gguf_network(path, torch.float32)
    assert tied.lm_head.weight is tied.model.embed_tokens.weight
    difference = np.abs(tied.lm_head.weight.detach().numpy() - embedding).max()
    assert difference <= np.abs(embedding).max() / 127
    path = write_model(
        tmp_path / "own.gguf", weights={**weights, "output.weight": embedding[::-1].copy()}
    )
    own = load_gguf_network(path, torch.float32)
    assert not own.config.tie_word_embeddings
    np.testing.assert_array_equal(embedding[::-1], own.lm_head.weight.detach().numpy())


def test_left_over_and_missing_tensors_are_refused(tmp_path: Path) -> None:
    """A network that lacks a part of the file would silently be another model."""
    weights = tensors("llama", VOCABULARY)
    path = write_model(
        tmp_path / "more.gguf",
        "llama",
        weights={**weights, "rope_freqs.weight": weights["output_norm.weight"]},
    )
    with pytest.raises(ModelError, match=r"lacks: rope_freqs\.weight"):
        load_gguf_network(path, torch.float32)
    del weights["blk.1.ffn_up.weight"]
    path = write_model(tmp_path / "less.gguf", "llama", weights=weights)
    with pytest.raises(ModelError, match=r"has no blk\.1\.ffn_up\.weight"):
        load_gguf_network(path, torch.float32)


def test_a_model_folder_is_a_base_too(tmp_path: Path) -> None:
    """Its identity is the store's, its weights are read by transformers."""
    origin = tiny.base(tmp_path / "base")
    folder = tmp_path / "qwen2.5-coder-tiny"
    load_gguf_network(origin.path, torch.float32).save_pretrained(folder)
    (folder / "tokenizer.json").write_text(origin.tokenizer_json())
    store = Store(tmp_path / "home")
    base = find_base(str(folder), store)
    assert store.folder_sha256(folder) == base.sha256
    network = load_network(base, device="cpu", four_bit=False)
    assert fastest_dtype("cpu") == network.get_input_embeddings().weight.dtype


@pytest.mark.parametrize(
    ("device", "capabilities", "expected"),
    [
        ("cpu", {"amx_bf16": True}, torch.bfloat16),
        ("cpu", {"avx512_bf16": True, "amx_bf16": False}, torch.float32),
        ("cpu", {}, torch.float32),
        ("cuda", {}, torch.bfloat16),
    ],
)
def test_bf16_is_for_processors_with_matrix_units(
    device: str,
    capabilities: dict[str, bool],
    expected: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Instructions for bf16 alone are slower than float32."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert expected == fastest_dtype(device)


def test_a_base_without_the_formats_tokens_is_refused_unless_they_are_added(tmp_path: Path) -> None:
    """The error names the tokens; the pre-post-mid format adds its own behind the vocabulary."""
    with pytest.raises(TrainingError, match=r"has no <fim_prefix>"):
        tiny.base(tmp_path, format_name="starcoder2")
    added = dict(tiny.base(tmp_path, format_name="pre-post-mid").added)
    assert {"[pre]": VOCABULARY, "[post]": VOCABULARY + 1, "[mid]": VOCABULARY + 2} == {
        token: added[token] for token in ("[pre]", "[post]", "[mid]")
    }


def test_the_general_suite_is_fixed_and_of_code() -> None:
    """The same spans for a seed; each ends its line and is not blank."""
    suite = general_suite(12)
    assert suite == general_suite(12)
    assert 12 == len({one.file.path for one in suite})
    for one in suite:
        assert one.file.text[one.span.end] == "\n"
        assert "\n" not in one.middle
        assert one.middle.strip()
