from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import safetensors.numpy

from fimls.store.gguf_file import Gguf, open_gguf, rows
from fimls.store.merge import merge_adapter
from fimls.types import AdapterMismatchError
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

Q_PROJ = "base_model.model.model.layers.0.self_attn.q_proj"
EMBEDDING = "base_model.model.model.embed_tokens"
VOCABULARY = len(vocabulary()[0])
ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
BASE_PREFIX_ID = vocabulary()[0].index("<|fim_prefix|>")
MLP = ["gate_proj", "up_proj", "down_proj"]


def write_adapter(
    folder: Path,
    weights: dict[str, npt.NDArray[Any]],
    *,
    manifest: dict[str, Any] | None = None,
    **config: Any,
) -> Path:
    """An adapter folder as peft lays it out."""
    folder.mkdir()
    settings = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "bias": "none", **config}
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    safetensors.numpy.save_file(weights, folder / "adapter_model.safetensors")
    if manifest is not None:
        (folder / "fimls_manifest.json").write_text(json.dumps(manifest))
    return folder


def lora(module: str = Q_PROJ, outputs: int = HIDDEN, inputs: int = HIDDEN) -> dict[str, Any]:
    """Factors of ones, rank 2."""
    return {
        f"{module}.lora_A.weight": np.ones((2, inputs), np.float32),
        f"{module}.lora_B.weight": np.ones((outputs, 2), np.float32),
    }


def merged(tmp_path: Path, base: Path, adapter: Path) -> Gguf:
    """The merged file, opened."""
    out = tmp_path / "merged.gguf"
    merge_adapter(base, adapter, out)
    return open_gguf(out)


# What transformers calls GGUF's tensors; by hand, so that the map under test is checked.
_TRANSFORMERS_NAMES = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def transformers_name(name: str) -> str:
    """GGUF tensor name to state-dict key."""
    if not name.startswith("blk."):
        return {
            "token_embd.weight": "model.embed_tokens.weight",
            "output_norm.weight": "model.norm.weight",
            "output.weight": "lm_head.weight",
        }[name]
    _, layer, tensor, kind = name.split(".")
    return f"model.layers.{layer}.{_TRANSFORMERS_NAMES[tensor]}.{kind}"


def to_gguf(arch: str, name: str, weight: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The row order of llama.cpp's converter: llama's q and k interleave each head's halves."""
    heads = {"attn_q": HEADS, "attn_k": KV_HEADS}.get(name.split(".")[-2])
    if arch != "llama" or heads is None:
        return weight
    half = len(weight) // heads // 2
    order = [
        head * 2 * half + part * half + row
        for head in range(heads)
        for row in range(half)
        for part in range(2)
    ]
    return weight[order]


@pytest.mark.slow
@pytest.mark.timeout(300)  # importing torch, transformers and peft takes a minute where disks crawl
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")  # peft's to its users
@pytest.mark.parametrize("arch", ["qwen2", "llama"])
@pytest.mark.parametrize(
    "settings",
    [
        {"target_modules": [*ATTENTION, *MLP]},
        {"target_modules": "all-linear", "use_rslora": True, "r": 3},
        {
            "target_modules": ["q_proj", "k_proj", "down_proj"],
            "rank_pattern": {"layers.1.self_attn.q_proj": 7, "down_proj": 3},
            "alpha_pattern": {r"layers\.0\.self_attn\.k_proj": 11},
        },
        {"target_modules": ["embed_tokens", "v_proj"]},
        {"target_modules": ["o_proj"], "trainable_token_indices": [261, 257, 3]},
        {"target_modules": ["q_proj"], "trainable_token_indices": [262, 263, 264], "added": 3},
    ],
    ids=["all", "rslora", "patterns", "embedding", "tokens", "added-tokens"],
)
def test_equals_pefts_own_merge(tmp_path: Path, arch: str, settings: dict[str, Any]) -> None:
    """Every merged tensor equals what peft computes in torch, up to float32 rounding."""
    torch = pytest.importorskip("torch")
    peft = pytest.importorskip("peft")
    transformers = pytest.importorskip("transformers")
    added = settings.get("added", 0)
    config_type, model_type = {
        "qwen2": (transformers.Qwen2Config, transformers.Qwen2ForCausalLM),
        "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
    }[arch]
    config = config_type(
        vocab_size=VOCABULARY + added,
        hidden_size=HIDDEN,
        intermediate_size=INNER,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=KV_HEADS,
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    model = model_type(config)
    names = tensors(arch, VOCABULARY)
    state = {key: value.float().numpy().copy() for key, value in model.state_dict().items()}
    base = write_model(
        tmp_path / "base.gguf",
        arch,
        weights={
            name: to_gguf(arch, name, state[transformers_name(name)])[: like.shape[0]]
            for name, like in names.items()
        },
    )
    options = {"r": 4, "lora_alpha": 9, **settings}
    options.pop("added", None)
    tuned = peft.get_peft_model(model, peft.LoraConfig(**options))
    for name, parameter in tuned.named_parameters():
        if "lora_" in name or "trainable_tokens" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    tuned.save_pretrained(tmp_path / "adapter")
    expected = {key: value.numpy() for key, value in tuned.merge_and_unload().state_dict().items()}

    actual = merged(tmp_path, base, tmp_path / "adapter")

    assert set(names) == set(actual.tensors)
    for name, tensor in actual.tensors.items():
        reference = to_gguf(arch, name, expected[transformers_name(name)])
        np.testing.assert_allclose(rows(tensor), reference, rtol=0, atol=2e-6, err_msg=name)


def test_leaves_other_tensors_as_they_are(tmp_path: Path) -> None:
    """A tensor that the adapter doesn't touch keeps its bytes and its kind."""
    base = write_model(tmp_path / "base.gguf")
    before = open_gguf(base).tensors
    after = merged(tmp_path, base, write_adapter(tmp_path / "adapter", lora())).tensors
    changed = [n for n in before if before[n].data.tobytes() != after[n].data.tobytes()]
    assert ["blk.0.attn_q.weight"] == changed
    assert list(before) == list(after)


def test_half_precision_adapter(tmp_path: Path) -> None:
    """bfloat16 factors are widened exactly: 1.5 * 1.5 * rank 2 * alpha/r 2 is added everywhere."""
    base = write_model(tmp_path / "base.gguf")
    adapter = write_adapter(tmp_path / "adapter", lora())
    size = 2 * 2 * HIDDEN
    header = json.dumps(
        {
            f"{Q_PROJ}.lora_{part}.weight": {
                "dtype": "BF16",
                "shape": shape,
                "data_offsets": [start, start + size],
            }
            for part, shape, start in (("A", [2, HIDDEN], 0), ("B", [HIDDEN, 2], size))
        }
    ).encode()
    data = np.full(4 * HIDDEN, 0x3FC0, "<u2").tobytes()  # 1.5 in bfloat16
    content = len(header).to_bytes(8, "little") + header + data
    (adapter / "adapter_model.safetensors").write_bytes(content)
    before = rows(open_gguf(base).tensors["blk.0.attn_q.weight"])
    after = rows(merged(tmp_path, base, adapter).tensors["blk.0.attn_q.weight"])
    np.testing.assert_allclose(after - before, 9.0, rtol=1e-6)


def test_head_of_its_own(tmp_path: Path) -> None:
    """LoRA on the head of a tied base gives the file a head; the embedding stays."""
    base = write_model(tmp_path / "base.gguf")
    adapter = write_adapter(
        tmp_path / "adapter", lora("base_model.model.lm_head", outputs=VOCABULARY)
    )
    after = merged(tmp_path, base, adapter).tensors
    embedding = rows(after["token_embd.weight"])
    np.testing.assert_allclose(rows(after["output.weight"]) - embedding, 4.0, rtol=1e-5)
    np.testing.assert_array_equal(rows(open_gguf(base).tensors["token_embd.weight"]), embedding)


def test_tied_in_training_changes_both(tmp_path: Path) -> None:
    """Token rows go into embedding and head where the manifest says they were one matrix."""
    weights = tensors("qwen2", VOCABULARY)
    weights["output.weight"] = weights["token_embd.weight"] + 0.01
    base = write_model(tmp_path / "base.gguf", weights=weights)
    adapter = write_adapter(
        tmp_path / "adapter",
        {f"{EMBEDDING}.token_adapter.trainable_tokens_delta": np.full((1, HIDDEN), 5, np.float32)},
        trainable_token_indices=[260],
        manifest={"tie_word_embeddings": True},
    )
    after = merged(tmp_path, base, adapter).tensors
    assert [5.0, 5.0] == [
        float(rows(after[name])[260].mean()) for name in ("token_embd.weight", "output.weight")
    ]


def test_control_tokens_join_the_tokenizer(tmp_path: Path) -> None:
    """The manifest's control tokens take an unused row or a new one, as control tokens."""
    count = VOCABULARY + 1
    base = write_model(tmp_path / "base.gguf", unused=1)
    adapter = write_adapter(
        tmp_path / "adapter",
        {f"{EMBEDDING}.token_adapter.trainable_tokens_delta": np.ones((3, HIDDEN), np.float32)},
        trainable_token_indices=[count - 1, count, count + 1],
        manifest={
            "control_ids": {
                "[pre]": count - 1,
                "[mid]": count + 1,
                "<|fim_prefix|>": BASE_PREFIX_ID,
            }
        },
    )
    after = merged(tmp_path, base, adapter)
    assert ["[pre]", f"[PAD{count}]", "[mid]"] == after.get("tokenizer.ggml.tokens")[-3:]
    assert [3, 5, 3] == after.get("tokenizer.ggml.token_type")[-3:]
    assert count + 2 == after.get("qwen2.vocab_size") == after.tensors["token_embd.weight"].shape[0]


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"use_dora": True}, "use_dora"),
        ({"bias": "all"}, "bias"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"fan_in_fan_out": True}, "fan_in_fan_out"),
        ({"peft_type": "IA3"}, "IA3"),
    ],
)
def test_refuses_what_is_more_than_lora(tmp_path: Path, config: dict[str, Any], named: str) -> None:
    """An adapter that isn't just B @ A is refused, and what else it has is named."""
    base = write_model(tmp_path / "base.gguf")
    adapter = write_adapter(tmp_path / "adapter", lora(), **config)
    with pytest.raises(AdapterMismatchError, match=named):
        merged(tmp_path, base, adapter)


@pytest.mark.parametrize(
    ("weights", "named"),
    [
        (lora("base_model.model.model.layers.0.mlp.experts"), "mlp.experts"),
        (lora("base_model.model.model.layers.9.self_attn.q_proj"), "layers.9"),
        (lora(outputs=HIDDEN + 8), str(HIDDEN + 8)),
        (lora(inputs=HIDDEN - 8), str(HIDDEN - 8)),
        ({f"{Q_PROJ}.lora_magnitude_vector": np.ones(4, np.float32)}, "lora_magnitude_vector"),
        ({f"{Q_PROJ}.lora_A.weight": np.ones((2, HIDDEN), np.float32)}, "without its other half"),
        ({f"{Q_PROJ}.lora_A.weight": np.ones((2, HIDDEN), np.int32)}, "I32"),
    ],
)
def test_refuses_weights_that_dont_fit(tmp_path: Path, weights: dict[str, Any], named: str) -> None:
    """A weight for another base, or of no known kind, is refused by its name or its shape."""
    base = write_model(tmp_path / "base.gguf")
    adapter = write_adapter(tmp_path / "adapter", weights)
    with pytest.raises(AdapterMismatchError, match=named):
        merged(tmp_path, base, adapter)


@pytest.mark.parametrize(
    ("indices", "control_ids", "named"),
    [
        ([VOCABULARY + 1], {}, f"row for {VOCABULARY}"),
        ([VOCABULARY, VOCABULARY + 1], {}, "2 tokens"),
        ([260], {"[pre]": VOCABULARY + 9}, "past all rows"),
        ([260], {"[pre]": 100}, "is 'd' in the base"),
    ],
    ids=["gap", "count", "past-the-end", "taken"],
)
def test_refuses_token_rows_that_dont_fit(
    tmp_path: Path, indices: list[int], control_ids: dict[str, int], named: str
) -> None:
    """Added tokens need a row each, a free id each, and a weight for each row."""
    base = write_model(tmp_path / "base.gguf")
    adapter = write_adapter(
        tmp_path / "adapter",
        {f"{EMBEDDING}.token_adapter.trainable_tokens_delta": np.ones((1, HIDDEN), np.float32)},
        trainable_token_indices=indices,
        manifest={"control_ids": control_ids},
    )
    with pytest.raises(AdapterMismatchError, match=named):
        merged(tmp_path, base, adapter)


def test_refuses_an_unknown_architecture(tmp_path: Path) -> None:
    """Row orders differ between architectures: one that isn't known is refused by name."""
    base = write_model(tmp_path / "base.gguf", "gemma")
    with pytest.raises(AdapterMismatchError, match="gemma"):
        merged(tmp_path, base, write_adapter(tmp_path / "adapter", lora()))


def test_damaged_weights_are_named(tmp_path: Path) -> None:
    """A truncated safetensors file is an explained error that names the file."""
    base = write_model(tmp_path / "base.gguf")
    adapter = write_adapter(tmp_path / "adapter", lora())
    weights = adapter / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:40])
    with pytest.raises(AdapterMismatchError, match=r"adapter_model\.safetensors"):
        merged(tmp_path, base, adapter)
