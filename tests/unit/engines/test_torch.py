"""The torch engine on the CPU, with tiny random models and a tokenizer of bytes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fimls.engines.torch import TorchEngine
from fimls.fim import Manifest, Tokenizer
from fimls.types import (
    CancelToken,
    CapabilityError,
    Delta,
    EngineDeadError,
    EngineError,
    FinishReason,
    ModelError,
    Prompt,
    SamplingParams,
)
from tests.clocks import HANG_S

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


TOKENIZER = Tokenizer.of_bytes(["<end>", "<pre>", "<suf>", "<mid>"])
END = TOKENIZER.control_tokens["<end>"]
MANIFEST = Manifest(
    format="test",
    orders=("spm",),
    control_ids=TOKENIZER.control_tokens,
    tokenizer_sha256=TOKENIZER.sha256,
    base="tiny",
    base_sha256="",
)
# peft 0.21 asks transformers 5.23 for a renamed attribute when it makes an adapter.
PEFT_WARNING = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")

CODE = "def area(self):\n    return math.pi * self.radius ** 2\n" * 3


def tiny_model(seed: int = 0, **changes: Any) -> Any:
    """A random Qwen2 of two layers."""
    torch.manual_seed(seed)
    options: dict[str, Any] = {
        "vocab_size": TOKENIZER.vocab_size,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        # Large weights make a random model's distribution uneven, as a trained one's is.
        "initializer_range": 0.3,
        "bos_token_id": None,
        "eos_token_id": None,
    }
    return transformers.Qwen2ForCausalLM(transformers.Qwen2Config(**options | changes)).eval()


def make_engine(model: Any, **options: Any) -> TorchEngine:
    """An engine around ``model``, with small prefill chunks."""
    options = {"prefill_chunk_tokens": 16} | options
    return TorchEngine(model, model="tiny", manifest=MANIFEST, tokenizer=TOKENIZER, **options)


@pytest.fixture(scope="module")
def model() -> Any:
    """One model for all tests that only read it."""
    return tiny_model()


@pytest.fixture
def engine(model: Any) -> Iterator[TorchEngine]:
    """A fresh engine: its cache is empty."""
    engine = make_engine(model)
    yield engine
    engine._worker.shutdown()


def prompt(code: str = CODE, healing: str = "", stops: Sequence[int] = ()) -> Prompt:
    """All control ids, then the code."""
    ids = (*TOKENIZER.control_tokens.values(), *TOKENIZER.encode(code))
    return Prompt(token_ids=ids, stop_token_ids=frozenset(stops), healing=healing)


async def collect(
    engine: TorchEngine, request: Prompt, cancel: CancelToken | None = None, **sampling: Any
) -> list[Delta]:
    """All deltas of a generation of 20 tokens, unless ``sampling`` says otherwise."""
    sampling = {"max_tokens": 20} | sampling
    return [
        delta
        async for delta in engine.generate(
            request, SamplingParams(**sampling), cancel or CancelToken()
        )
    ]


def ids_of(deltas: Sequence[Delta], index: int = 0) -> list[int]:
    """The ids of one candidate."""
    return [token for delta in deltas if delta.index == index for token in delta.token_ids]


def text_of(deltas: Sequence[Delta], index: int = 0) -> str:
    """The text of one candidate."""
    return "".join(delta.text for delta in deltas if delta.index == index)


def reused(deltas: Sequence[Delta]) -> int | None:
    """How many prompt tokens the engine says it reused."""
    assert deltas[-1].usage is not None
    return deltas[-1].usage.reused_tokens


def reference(model: Any, request: Prompt, max_tokens: int = 20) -> list[int]:
    """What transformers' own greedy search generates."""
    ids = torch.tensor([request.token_ids])
    output = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=max_tokens,
        do_sample=False,
        eos_token_id=sorted(request.stop_token_ids) or None,
        pad_token_id=END,
    )
    generated: list[int] = output[0, ids.shape[1] :].tolist()
    return generated


async def test_greedy_is_what_transformers_generates(model: Any, engine: TorchEngine) -> None:
    """Chunked prefill and our decode loop choose the same tokens as transformers' ``generate``."""
    deltas = await collect(engine, prompt())
    assert reference(model, prompt()) == ids_of(deltas)
    assert TOKENIZER.decode(ids_of(deltas)) == text_of(deltas)
    assert FinishReason.LENGTH == deltas[-1].finish_reason


async def test_the_cache_changes_nothing(model: Any, engine: TorchEngine) -> None:
    """Each token is what a pass over the whole text, without a cache, puts first."""
    ids = [*prompt().token_ids]
    with torch.inference_mode():
        for _ in range(20):
            logits = model(torch.tensor([ids]), use_cache=False).logits
            ids.append(int(logits[0, -1].argmax()))
    assert ids[len(prompt().token_ids) :] == ids_of(await collect(engine, prompt()))


@PEFT_WARNING
async def test_an_adapter_that_is_not_merged_is_given_the_cache() -> None:
    """As a quantized model's: peft's wrapper names no cache, the model inside of it does."""
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    adapted = peft.get_peft_model(tiny_model(), config).eval()
    engine = make_engine(adapted)
    assert reference(adapted, prompt()) == ids_of(await collect(engine, prompt()))
    await engine.aclose()


class _Forgetful(transformers.Qwen2ForCausalLM):  # type: ignore[misc, name-defined]
    """A model whose cache has a name that the engine doesn't know."""

    def forward(self, input_ids: Any, logits_to_keep: int = 0, **_ignored: Any) -> Any:
        return super().forward(input_ids, logits_to_keep=logits_to_keep, use_cache=False)


def test_a_model_that_ignores_its_cache_is_refused(model: Any) -> None:
    """It would see one token at each step; the engine says so before the first request."""
    with pytest.raises(ModelError, match="ignores the cache") as caught:
        make_engine(_Forgetful(model.config).eval())
    assert caught.value.hint


async def test_a_stop_token_ends_the_generation(model: Any, engine: TorchEngine) -> None:
    """The generation ends before a stop token, which is in neither ids nor text."""
    expected = reference(model, prompt())
    stop = expected[5]
    deltas = await collect(engine, prompt(stops=[stop]))
    assert expected[: expected.index(stop)] == ids_of(deltas)
    assert FinishReason.STOP == deltas[-1].finish_reason


@pytest.mark.parametrize("healing", ["", "    ret"])
async def test_a_generation_is_never_empty(engine: TorchEngine, healing: str) -> None:
    """The model's first choice after the healed text is an end: the next best token comes."""
    length = len(healing.encode())
    stop = ids_of(await collect(engine, prompt(healing=healing)))[length]
    deltas = await collect(engine, prompt(healing=healing, stops=[stop]))
    assert length < len(ids_of(deltas))
    assert stop not in ids_of(deltas)[length:]
    assert text_of(deltas)


async def test_logprobs_are_the_model_s_own(model: Any, engine: TorchEngine) -> None:
    """Each is the log-softmax of a plain forward pass over all tokens before."""
    deltas = await collect(engine, prompt(), temperature=0.9, top_p=0.8, seed=3)
    ids = ids_of(deltas)
    with torch.inference_mode():
        logits = model(torch.tensor([[*prompt().token_ids, *ids]])).logits[0]
    table = torch.log_softmax(logits, dim=-1)
    first = len(prompt().token_ids) - 1
    expected = [table[first + at, token].item() for at, token in enumerate(ids)]
    assert pytest.approx(expected, abs=1e-4) == [one for d in deltas for one in d.logprobs]


async def test_usage(engine: TorchEngine) -> None:
    """The last delta says what the request cost; the first token's already says the rest."""
    deltas = await collect(engine, prompt())
    usage = deltas[-1].usage
    assert usage is not None
    assert (len(prompt().token_ids), 0) == (usage.prompt_tokens, usage.reused_tokens)
    assert usage.ttft_ms is not None
    assert 0 < usage.ttft_ms < usage.total_ms
    first = deltas[0].usage
    assert first is not None
    assert usage.ttft_ms == first.ttft_ms


async def test_reuse_is_exact_and_changes_nothing(model: Any, engine: TorchEngine) -> None:
    """Typing, editing and repeating reuse exactly the common prefix, with equal results."""
    generated = ids_of(await collect(engine, prompt()))
    cached = [*prompt().token_ids, *generated[:-1]]  # the last token was never read
    for code in (CODE + "x", CODE + "xy", CODE, CODE[:50] + "#" + CODE[50:]):
        ids = [*prompt(code).token_ids]
        pairs = zip(cached, ids[:-1], strict=False)
        shared = next((n for n, (a, b) in enumerate(pairs) if a != b), len(ids) - 1)
        deltas = await collect(engine, prompt(code))
        assert shared == reused(deltas)
        assert reference(model, prompt(code)) == ids_of(deltas)
        cached = [*ids, *ids_of(deltas)[:-1]]


async def test_an_accepted_completion_is_reused(engine: TorchEngine) -> None:
    """The generated tokens stay cached: a prompt that continues with them is hardly computed."""
    generated = ids_of(await collect(engine, prompt()))
    longer = Prompt((*prompt().token_ids, *generated), frozenset())
    assert len(longer.token_ids) - 1 == reused(await collect(engine, longer))


async def test_seeds_repeat(engine: TorchEngine) -> None:
    """The same seed gives the same tokens, another seed others."""
    runs = [
        ids_of(await collect(engine, prompt(), temperature=1.0, seed=seed)) for seed in (1, 1, 2)
    ]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


async def test_a_tiny_nucleus_is_greedy(model: Any, engine: TorchEngine) -> None:
    """With top_p near 0 only the likeliest token is left to draw."""
    deltas = await collect(engine, prompt(), temperature=5.0, top_p=1e-6)
    assert reference(model, prompt()) == ids_of(deltas)


async def test_candidates(model: Any, engine: TorchEngine) -> None:
    """The first is greedy, the others as if each was asked for alone, and all share the prompt."""
    deltas = await collect(engine, prompt(), candidates=3, seed=5)
    assert reference(model, prompt()) == ids_of(deltas)
    for index in (1, 2):
        alone = await collect(engine, prompt(), temperature=0.6, seed=5 + index)
        assert ids_of(alone) == ids_of(deltas, index)
    assert ids_of(deltas, 1) != ids_of(deltas, 2)
    assert len(prompt().token_ids) - 1 == reused(await collect(engine, prompt(), candidates=2))


async def test_candidates_end_by_themselves(engine: TorchEngine) -> None:
    """A candidate that stops doesn't end or change the others."""
    free = await collect(engine, prompt(), candidates=3, seed=5, temperature=1.0)
    sequences = [ids_of(free, index) for index in range(3)]
    stop = sequences[1][4]
    stopped = await collect(engine, prompt(stops=[stop]), candidates=3, seed=5, temperature=1.0)
    for index, ids in enumerate(sequences):
        end = ids.index(stop) if stop in ids else len(ids)
        assert ids[:end] == ids_of(stopped, index)
    assert 3 == sum(delta.finish_reason is not None for delta in stopped)
    assert stopped[-1].usage is not None


@pytest.mark.parametrize("healing", ["    ret", "é漢😀", "<mid>", '"\\\n'])
async def test_healing_is_produced_and_left_out(engine: TorchEngine, healing: str) -> None:
    """The ids begin with exactly the healed text, in ordinary tokens, and the text after it."""
    deltas = await collect(engine, prompt(healing=healing), max_tokens=40)
    ids = ids_of(deltas)
    length = len(healing.encode())
    assert healing == TOKENIZER.decode(ids[:length])
    assert not set(ids[:length]) & set(TOKENIZER.control_tokens.values())
    assert TOKENIZER.decode(ids[length:]) == text_of(deltas)


async def test_healing_cut_short_shows_nothing(engine: TorchEngine) -> None:
    """When the tokens end within the healed text there is no text, half characters included."""
    deltas = await collect(engine, prompt(healing="漢漢"), max_tokens=4)
    assert "" == text_of(deltas)
    assert FinishReason.LENGTH == deltas[-1].finish_reason


def watch_steps(engine: TorchEngine, at_step: Callable[[int], object]) -> list[int]:
    """Call ``at_step`` with its number before each step of one token, in the worker's thread.

    Returns the list in which the numbers are kept.
    """
    forward = engine._decoder._forward
    steps: list[int] = []

    def noting(rows: Any, cache: Any) -> Any:
        if len(rows[0]) == 1:
            steps.append(len(steps) + 1)
            at_step(steps[-1])
        return forward(rows, cache)

    engine._decoder._forward = noting  # type: ignore[method-assign]
    return steps


async def test_cancel_while_decoding(engine: TorchEngine) -> None:
    """After a cancel no other step is taken, and the engine serves the next."""
    cancel = CancelToken()
    steps = watch_steps(engine, lambda step: cancel.cancel() if step == 5 else None)
    deltas = await collect(engine, prompt(), cancel, max_tokens=2000)
    assert (5, 5) == (len(steps), len(ids_of(deltas)))
    assert FinishReason.CANCEL == deltas[-1].finish_reason
    assert 20 == len(ids_of(await collect(engine, prompt())))


async def test_closing_the_iterator_frees_the_engine(engine: TorchEngine) -> None:
    """A caller that has enough closes the iterator; its own cancel token stays as it was."""
    closed = threading.Event()
    steps = watch_steps(engine, lambda _: closed.wait(HANG_S))
    cancel = CancelToken()
    deltas = engine.generate(prompt(), SamplingParams(max_tokens=2000), cancel)
    await anext(deltas)
    await deltas.aclose()
    closed.set()
    assert not cancel.cancelled
    await collect(engine, prompt("x = "), max_tokens=1)
    assert 1 == len(steps)


async def test_cancelled_before_it_starts(engine: TorchEngine) -> None:
    """A request that was superseded in the queue costs no forward pass."""
    cancel = CancelToken()
    cancel.cancel()
    deltas = await collect(engine, prompt(), cancel)
    assert [FinishReason.CANCEL] == [delta.finish_reason for delta in deltas]
    assert [] == engine._decoder._cached_ids


async def test_cancel_in_prefill_waits_for_one_chunk(model: Any) -> None:
    """A cancel in the middle of a prompt takes effect at the next chunk, and keeps what is done."""
    engine = make_engine(model)
    cancel = CancelToken()
    decoder = engine._decoder
    forward, chunks = decoder._forward, []

    def cancel_in_third_chunk(rows: Any, cache: Any) -> Any:
        chunks.append(len(rows[0]))
        if len(chunks) == 3:
            cancel.cancel()
        return forward(rows, cache)

    decoder._forward = cancel_in_third_chunk  # type: ignore[method-assign]
    deltas = await collect(engine, prompt(), cancel)
    decoder._forward = forward  # type: ignore[method-assign]
    assert [16, 16, 16] == chunks
    assert [FinishReason.CANCEL] == [delta.finish_reason for delta in deltas]
    after = await collect(engine, prompt())
    assert 48 == reused(after)
    assert reference(model, prompt()) == ids_of(after)
    await engine.aclose()


async def test_deadline(engine: TorchEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the deadline the tokens so far end with DEADLINE."""
    await collect(engine, prompt())  # so that all of the prompt but its last token is read already
    steps = watch_steps(engine, lambda _: None)
    clock = SimpleNamespace(monotonic=lambda: len(steps) / 100)  # 10 ms a step
    monkeypatch.setattr("fimls.engines.torch.time", clock)
    monkeypatch.setattr("fimls.engines.torch.decoder.time", clock)
    deltas = await collect(engine, prompt(), max_tokens=3000, deadline_ms=155)
    assert FinishReason.DEADLINE == deltas[-1].finish_reason
    assert 15 == len(ids_of(deltas))
    usage = deltas[-1].usage
    assert usage is not None
    assert pytest.approx((10, 160)) == (usage.ttft_ms, usage.total_ms)


async def test_a_failing_forward_pass(model: Any) -> None:
    """The request fails with an explained error without code, and the next one works."""
    engine = make_engine(model)
    decoder = engine._decoder
    forward = decoder._forward

    def fail(rows: Any, cache: Any) -> Any:
        forward(rows, cache)
        raise RuntimeError(CODE)

    decoder._forward = fail  # type: ignore[method-assign]
    with pytest.raises(EngineError, match="RuntimeError") as caught:
        await collect(engine, prompt())
    assert "area" not in str(caught.value)
    decoder._forward = forward  # type: ignore[method-assign]
    assert reference(model, prompt()) == ids_of(await collect(engine, prompt()))
    await engine.aclose()


async def test_a_prompt_beyond_the_context() -> None:
    """Prompt and generation must fit the model's positions; the error names the limit."""
    engine = make_engine(tiny_model(max_position_embeddings=64))
    with pytest.raises(EngineError, match="context 64"):
        await collect(engine, prompt())
    await engine.aclose()


async def test_a_sliding_window_is_never_cropped() -> None:
    """A model whose cache forgets declares no reuse, and stays right from request to request."""
    window = {"use_sliding_window": True, "sliding_window": 32, "max_window_layers": 0}
    model = tiny_model(**window)
    engine = make_engine(model)
    assert (False, 1) == (engine.capabilities.prefix_reuse, engine.capabilities.candidates)
    for code in (CODE, CODE[:-3]):
        deltas = await collect(engine, prompt(code))
        assert 0 == reused(deltas)
        assert reference(model, prompt(code)) == ids_of(deltas)
    with pytest.raises(CapabilityError, match="candidates"):
        await collect(engine, prompt(), candidates=2)
    await engine.aclose()


async def test_requests_queue(model: Any, engine: TorchEngine) -> None:
    """Concurrent requests are served one after the other, each with its own result."""
    codes = [CODE, CODE[:40], "x = "]
    runs = await asyncio.gather(*(collect(engine, prompt(code)) for code in codes))
    assert [reference(model, prompt(code)) for code in codes] == [ids_of(run) for run in runs]


async def test_closing(model: Any) -> None:
    """Closing ends what runs, frees the model, can be repeated, and refuses later requests."""
    engine = make_engine(model)
    cancelled = threading.Event()
    steps = watch_steps(engine, lambda _: cancelled.wait(HANG_S))
    running = engine.generate(prompt(), SamplingParams(max_tokens=3000), CancelToken())
    await anext(running)
    [stop] = engine._active
    stop.on_cancel(cancelled.set)
    await engine.aclose()
    await engine.aclose()
    assert FinishReason.CANCEL == [delta async for delta in running][-1].finish_reason
    assert 1 == len(steps)
    with pytest.raises(EngineDeadError):
        await collect(engine, prompt())


@pytest.mark.parametrize(("chunk_ms", "expected"), [(30_000.0, 512), (0.001, 16)])
async def test_the_prefill_chunk_adapts(
    model: Any, monkeypatch: pytest.MonkeyPatch, chunk_ms: float, expected: int
) -> None:
    """Chunks grow and shrink, within bounds, until one takes as long as a cancel may wait."""
    monkeypatch.setattr("fimls.engines.torch.decoder._CHUNK_MS", chunk_ms)
    engine = make_engine(model, prefill_chunk_tokens=None)
    long = prompt(CODE * 8)
    assert reference(model, long) == ids_of(await collect(engine, long))
    assert expected == engine._decoder._chunk_tokens
    await engine.aclose()


# ---------------------------------------------------------------------------------- loading


@pytest.fixture(scope="module")
def folder(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model as a Hugging Face folder."""
    path: Path = tmp_path_factory.mktemp("tiny")
    model.save_pretrained(path)
    return path


def load(path: Path, *, device: str = "cpu", **options: Any) -> TorchEngine:
    """Load ``path`` as the test model."""
    return TorchEngine.load(path, manifest=MANIFEST, tokenizer=TOKENIZER, device=device, **options)


async def test_load_a_folder(model: Any, folder: Path) -> None:
    """A Hugging Face folder gives the same tokens as the model that was saved there."""
    engine = load(folder)
    assert reference(model, prompt()) == ids_of(await collect(engine, prompt()))
    await engine.aclose()


@PEFT_WARNING
async def test_load_an_adapter(model: Any, folder: Path, tmp_path: Path) -> None:
    """A peft adapter changes the output to what peft itself computes."""
    peft = pytest.importorskip("peft")
    base = tiny_model()
    config = peft.LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    adapted = peft.get_peft_model(base, config).eval()
    adapted.save_pretrained(tmp_path)
    engine = load(folder, adapter=tmp_path)
    ids = ids_of(await collect(engine, prompt()))
    assert reference(adapted, prompt()) == ids
    assert reference(model, prompt()) != ids
    await engine.aclose()


@PEFT_WARNING
async def test_load_an_adapter_that_added_tokens(tmp_path: Path) -> None:
    """Rows of added tokens come from the adapter, onto a base that has no place for them."""
    peft = pytest.importorskip("peft")
    added = [*TOKENIZER.control_tokens.values()]
    small = tiny_model(vocab_size=min(added), tie_word_embeddings=True)
    small.save_pretrained(tmp_path / "base")
    small.resize_token_embeddings(TOKENIZER.vocab_size, mean_resizing=False)
    config = peft.LoraConfig(
        r=4,
        target_modules=["q_proj", "v_proj"],
        init_lora_weights=False,
        trainable_token_indices={"embed_tokens": added},
    )
    adapted = peft.get_peft_model(small, config).eval()
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "trainable_tokens_delta" in name:
                parameter.normal_(std=0.3)
    adapted.save_pretrained(tmp_path / "adapter")
    engine = load(tmp_path / "base", adapter=tmp_path / "adapter")
    assert reference(adapted, prompt()) == ids_of(await collect(engine, prompt()))
    await engine.aclose()


def test_what_cannot_be_loaded(tmp_path: Path, folder: Path) -> None:
    """A folder without a model, and one without an adapter, are model errors with a hint."""
    with pytest.raises(ModelError, match="can't load") as caught:
        load(tmp_path)
    assert caught.value.hint
    with pytest.raises(ModelError, match="adapter") as caught:
        load(folder, adapter=tmp_path)
    assert caught.value.hint


@pytest.mark.parametrize(
    "options",
    [
        {"device": "tpu"},
        {"quantization": "nf4"},
        {"quantization": "int8bnb"},
        {"quantization": "x"},
    ],
)
def test_what_the_cpu_cannot_do(folder: Path, options: dict[str, str]) -> None:
    """Quantization by bitsandbytes and unknown devices are refused with a hint."""
    with pytest.raises(CapabilityError) as caught:
        load(folder, **options)
    assert caught.value.hint


def test_without_cuda(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking for CUDA where there is none is refused, never replaced by the CPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(CapabilityError, match="CUDA"):
        load(folder, device="cuda")


def test_without_the_extra(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without torch, loading says what to install."""
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(CapabilityError, match="torch") as caught:
        load(folder)
    assert 'pip install "fimls[torch]"' == caught.value.hint


def test_importing_the_module_imports_no_torch() -> None:
    """Start-up is latency: the module itself costs nothing."""
    code = "import sys, fimls.engines.torch; sys.exit('torch' in sys.modules)"
    assert 0 == subprocess.run([sys.executable, "-c", code], check=False).returncode
