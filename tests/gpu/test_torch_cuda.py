"""The torch engine on an NVIDIA GPU, with a tiny random model: no weights are needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fimls.engines.torch import TorchEngine
from fimls.fim import Manifest, Tokenizer
from fimls.types import CancelToken, Delta, FinishReason, Prompt, SamplingParams

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
]

TOKENIZER = Tokenizer.of_bytes(["<end>", "<pre>", "<suf>", "<mid>"])
MANIFEST = Manifest(
    format="test",
    orders=("spm",),
    control_ids=TOKENIZER.control_tokens,
    tokenizer_sha256=TOKENIZER.sha256,
    base="tiny",
    base_sha256="",
)
CODE = "def area(self):\n    return math.pi * self.radius ** 2\n" * 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Qwen2 of four layers as a Hugging Face folder."""
    torch.manual_seed(0)
    config = transformers.Qwen2Config(
        vocab_size=TOKENIZER.vocab_size,
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.1,
        bos_token_id=None,
        eos_token_id=None,
    )
    path: Path = tmp_path_factory.mktemp("tiny")
    transformers.Qwen2ForCausalLM(config).save_pretrained(path)
    return path


def load(folder: Path, **options: Any) -> TorchEngine:
    """Load ``folder`` as the test model."""
    return TorchEngine.load(folder, manifest=MANIFEST, tokenizer=TOKENIZER, **options)


def prompt(code: str = CODE, healing: str = "") -> Prompt:
    """Plain code: what is tested is the engine."""
    return Prompt(tuple(TOKENIZER.encode(code)), frozenset(), healing)


async def collect(engine: TorchEngine, request: Prompt, **sampling: Any) -> list[Delta]:
    """All deltas of a generation of 32 tokens, unless ``sampling`` says otherwise."""
    parameters = SamplingParams(**{"max_tokens": 32} | sampling)
    return [delta async for delta in engine.generate(request, parameters, CancelToken())]


def ids_of(deltas: Sequence[Delta], index: int = 0) -> list[int]:
    """The ids of one candidate."""
    return [token for delta in deltas if delta.index == index for token in delta.token_ids]


async def test_auto_is_cuda_in_bfloat16(folder: Path) -> None:
    """The GPU is found, and weights are bf16 there; logits are judged in float32."""
    engine = load(folder)
    network = engine._decoder._network
    assert ("cuda", torch.bfloat16) == (network.device.type, network.dtype)
    deltas = await collect(engine, prompt())
    assert 32 == len(ids_of(deltas))
    assert all(value <= 0 for delta in deltas for value in delta.logprobs)
    await engine.aclose()


async def test_reuse_and_repetition(folder: Path) -> None:
    """The common prefix is reused to the token, and the same seed repeats."""
    engine = load(folder)
    await collect(engine, prompt())
    runs = [await collect(engine, prompt(), temperature=1.0, seed=3) for _ in range(2)]
    assert ids_of(runs[0]) == ids_of(runs[1])
    usage = runs[1][-1].usage
    assert usage is not None
    assert len(prompt().token_ids) - 1 == usage.reused_tokens
    several = await collect(engine, prompt(), candidates=3)
    assert {0, 1, 2} == {delta.index for delta in several}
    await engine.aclose()


async def test_healing_on_the_gpu(folder: Path) -> None:
    """The constraint holds on the device's tensors too."""
    engine = load(folder)
    deltas = await collect(engine, prompt(healing="retärn"))
    assert TOKENIZER.decode(ids_of(deltas)).startswith("retärn")
    await engine.aclose()


async def test_cancel_on_the_gpu(folder: Path) -> None:
    """After a cancel no other step is taken."""
    engine = load(folder)
    cancel = CancelToken()
    forward, steps = engine._decoder._forward, []

    def cancel_in_tenth_step(rows: Any, cache: Any) -> Any:
        if len(rows[0]) == 1:
            steps.append(rows)
        if len(steps) == 10:
            cancel.cancel()
        return forward(rows, cache)

    engine._decoder._forward = cancel_in_tenth_step  # type: ignore[method-assign]
    sampling = SamplingParams(max_tokens=5000)
    deltas = [delta async for delta in engine.generate(prompt(), sampling, cancel)]
    assert (10, 10) == (len(steps), len(ids_of(deltas)))
    assert FinishReason.CANCEL == deltas[-1].finish_reason
    await engine.aclose()


@pytest.mark.parametrize("quantization", ["nf4", "int8bnb"])
async def test_bitsandbytes(folder: Path, quantization: str) -> None:
    """Both quantizations load and generate, with linear layers that are really quantized."""
    pytest.importorskip("bitsandbytes")
    engine = load(folder, quantization=quantization)
    kinds = {type(module).__name__ for module in engine._decoder._network.modules()}
    assert kinds & {"Linear4bit", "Linear8bitLt"}
    assert 32 == len(ids_of(await collect(engine, prompt())))
    await engine.aclose()


async def test_a_quantized_model_takes_an_adapter(folder: Path, tmp_path: Path) -> None:
    """An adapter stays beside quantized weights and changes what they generate."""
    pytest.importorskip("bitsandbytes")
    peft = pytest.importorskip("peft")
    base = transformers.AutoModelForCausalLM.from_pretrained(folder)
    config = peft.LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    peft.get_peft_model(base, config).save_pretrained(tmp_path)
    plain = load(folder, quantization="nf4")
    adapted = load(folder, quantization="nf4", adapter=tmp_path)
    results = [ids_of(await collect(engine, prompt())) for engine in (plain, adapted)]
    assert results[0] != results[1]
    await plain.aclose()
    await adapted.aclose()
