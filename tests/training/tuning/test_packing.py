"""What packing and fusing must not change: losses and gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")

import torch

from fimls.fim import TokenizedExample
from fimls.fim.prompt import IGNORED_LABEL
from tests.training.tuning import tiny
from training.batches import PackedRow
from training.tuning import kernels
from training.tuning.adapter import attach, trainable
from training.tuning.gguf_network import load_gguf_network
from training.tuning.loss import MaskedLoss, RowTensors
from training.tuning.recipe import Recipe

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")

RECIPE = Recipe(rank=4, alpha=8)


def tokens(length: int, seed: int) -> TokenizedExample:
    """Random ids, the last third of which is learnt."""
    generator = torch.Generator().manual_seed(seed)
    ids = tuple(torch.randint(0, 256, (length,), generator=generator).tolist())
    prompt = length - length // 3
    return TokenizedExample(ids, (IGNORED_LABEL,) * prompt + ids[prompt:])


EXAMPLES = (tokens(30, 1), tokens(17, 2), tokens(45, 3))


@pytest.fixture(params=["qwen2", "llama"])
def adapted(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A tiny model with an adapter that isn't zero."""
    return make(tmp_path, RECIPE, request.param)


def make(folder: Path, recipe: Recipe, arch: str = "qwen2") -> Any:
    """A tiny model under a recipe's adapter, whose B factors are no longer zero."""
    base = tiny.base(folder / "base", arch)
    network = load_gguf_network(base.path, torch.float32)
    adapted = attach(network, recipe, added=(), tokenizer=base.tokenizer)
    for name, parameter in trainable(adapted).items():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.2)
    return adapted


def gradients(network: Any, rows: list[PackedRow]) -> tuple[float, dict[str, torch.Tensor]]:
    """Summed loss and its gradients."""
    network.zero_grad()
    loss = sum(MaskedLoss(network)(RowTensors.of(row, "cpu")) for row in rows)
    loss.backward()
    return float(loss), {name: value.grad.clone() for name, value in trainable(network).items()}


def assert_same(
    expected: tuple[float, dict[str, torch.Tensor]], actual: tuple[float, dict[str, torch.Tensor]]
) -> None:
    """Within float32 rounding."""
    assert expected[0] == pytest.approx(actual[0], rel=1e-5)
    for name, value in expected[1].items():
        scale = float(value.abs().max())
        torch.testing.assert_close(actual[1][name], value, rtol=0, atol=1e-5 * max(scale, 1.0))


def test_packed_and_unpacked_agree(adapted: Any) -> None:
    """Losses and gradients of a row are the sums of its examples' alone."""
    alone = gradients(adapted, [PackedRow((one,)) for one in EXAMPLES])
    assert_same(alone, gradients(adapted, [PackedRow(EXAMPLES)]))


def test_the_masked_loss_is_the_models_own(adapted: Any) -> None:
    """With transformers' full-head loss and dense attention, the labels give the same."""
    ours = gradients(adapted, [PackedRow((EXAMPLES[0],))])
    adapted.set_attn_implementation("eager")
    adapted.zero_grad()
    output = adapted(
        input_ids=torch.tensor([EXAMPLES[0].input_ids]),
        labels=torch.tensor([EXAMPLES[0].labels]),
    )
    count = sum(label != IGNORED_LABEL for label in EXAMPLES[0].labels)
    (output.loss * count).backward()
    theirs = {name: value.grad for name, value in trainable(adapted).items()}
    assert_same((float(output.loss) * count, theirs), ours)


def test_fused_layers_equal_pefts_own(tmp_path: Path) -> None:
    """Every linear layer is fused, and computes what peft's forward does."""
    adapted = make(tmp_path, RECIPE)
    fused = gradients(adapted, [PackedRow(EXAMPLES)])
    layers = [module for module in adapted.modules() if "forward" in vars(module)]
    assert 2 * 7 == len(layers)
    for module in layers:
        del module.forward
    assert_same(gradients(adapted, [PackedRow(EXAMPLES)]), fused)


@pytest.mark.parametrize(
    ("changes", "fused_count"),
    [
        ({"rslora": True}, 14),
        ({"dora": True}, 0),
        ({"dropout": 0.1}, 0),
        ({"layers": "top-half"}, 7),
    ],
    ids=["rslora", "dora", "dropout", "top-half"],
)
def test_variants_are_fused_only_where_they_are_plain(
    tmp_path: Path, changes: dict[str, Any], fused_count: int
) -> None:
    """DoRA and dropout keep peft's forward; the others learn through the fused one."""
    adapted = make(tmp_path, RECIPE.with_changes(changes, source="test"))
    assert fused_count == sum("forward" in vars(module) for module in adapted.modules())
    loss, found = gradients(adapted, [PackedRow(EXAMPLES)])
    assert loss > 0
    assert all(value.abs().sum() > 0 for name, value in found.items() if "lora_A" in name)


def test_checkpointing_changes_nothing(tmp_path: Path) -> None:
    """Activations computed twice give the same gradients."""
    plain = gradients(make(tmp_path, RECIPE), [PackedRow(EXAMPLES)])
    torch.manual_seed(0)
    recomputing = make(tmp_path, RECIPE.with_changes({"checkpointing": True}, source="test"))
    weights = {name: value.detach() for name, value in trainable(make(tmp_path, RECIPE)).items()}
    assert weights.keys() == trainable(recomputing).keys()
    assert_same(plain, gradients(recomputing, [PackedRow(EXAMPLES)]))


def test_chunks_of_the_head_change_nothing(adapted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many labels are scored at once."""
    from training.tuning import loss

    whole = gradients(adapted, [PackedRow(EXAMPLES)])
    monkeypatch.setattr(loss, "_CHUNK_POSITIONS", 5)
    assert_same(whole, gradients(adapted, [PackedRow(EXAMPLES)]))


def test_judgement_finds_what_greedy_decoding_would_write(adapted: Any) -> None:
    """An example that hits all its labels is one whose greedy continuation is the middle."""
    prompt = EXAMPLES[1].input_ids[:10]
    ids = list(prompt)
    for _ in range(6):
        lengths = (len(ids),)
        row = RowTensors.of(PackedRow((TokenizedExample(tuple(ids), tuple(ids)),)), "cpu")
        with torch.no_grad():
            hidden = adapted.get_base_model().get_decoder()(
                input_ids=row.input_ids, use_cache=False, segment_lengths=lengths
            )
        logits = adapted.get_base_model().lm_head(hidden.last_hidden_state[0, -1])
        ids.append(int(logits.argmax()))
    greedy = TokenizedExample(tuple(ids), (IGNORED_LABEL,) * 10 + tuple(ids[10:]))
    wrong = TokenizedExample(tuple(ids), (*greedy.labels[:-1], (ids[-1] + 1) % 256))
    row = RowTensors.of(PackedRow((wrong, greedy)), "cpu")
    _, hits, examples = MaskedLoss(adapted)(row, judge=True)
    assert [False, True] == [bool(hits[examples == one].all()) for one in (0, 1)]


def test_fuse_is_counted(tmp_path: Path) -> None:
    """Fusing twice is the same as fusing once."""
    assert 14 == kernels.fuse(make(tmp_path, RECIPE))
