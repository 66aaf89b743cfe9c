"""The openvino engine on the default model: what other layers take for granted of an engine."""

from __future__ import annotations

import asyncio
import collections
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio

from fimls.config import NO_ADAPTER, Settings
from fimls.engines import openvino
from fimls.engines.loading import load_engine, prompt_builder
from fimls.engines.openvino import OpenVinoEngine
from fimls.fim import Manifest, PromptBuilder, build_prompt, find_format
from fimls.store import PreparedModel, Store
from fimls.types import (
    CancelToken,
    CompletionContext,
    Delta,
    EngineDeadError,
    EngineError,
    FinishReason,
    Prompt,
    SamplingParams,
)

# On a machine with other work a step of the model takes as long as ten.
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]
weights = pytest.mark.weights

CODE = '''\
def area(width, height):
    """The area of a rectangle."""
    return width * height


def perimeter(width, height):
    """The perimeter of a rectangle."""
    return '''
AFTER = "\n\n\nprint(perimeter(2, 3))\n"


class Listener:
    """What the worker says, in order. on_prefill: is called when it has read a part of a prompt."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.on_prefill: Callable[[], object] = lambda: None

    def loads(self, line: bytes) -> dict[str, Any]:
        """Of ``json``."""
        message: dict[str, Any] = json.loads(line)
        self.heard.append(message)
        if message["event"] == "prefill":
            self.on_prefill()
        return message

    def prefills(self) -> int:
        """How many parts of prompts were read that weren't the last."""
        return sum(message["event"] == "prefill" for message in self.heard)


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Listener:
    """Listens to the worker."""
    listener = Listener()
    json_module = SimpleNamespace(loads=listener.loads, dumps=json.dumps)
    monkeypatch.setattr("fimls.child.json", json_module)
    return listener


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(default_model: PreparedModel, store: Store) -> AsyncIterator[OpenVinoEngine]:
    """The engine of the default model alone, which seldom ends by itself, loaded once."""
    del default_model  # skips where the model was never pulled, and converts it
    loaded = await load_engine(Settings(adapter=NO_ADAPTER), store)
    assert isinstance(loaded, OpenVinoEngine)
    yield loaded
    await loaded.aclose()


@pytest.fixture(scope="module")
def builder(engine: OpenVinoEngine) -> PromptBuilder:
    """What `fimls complete` builds prompts with."""
    return prompt_builder(find_format(engine.manifest.format), engine.tokenizer, Settings())


def long_code(seed: str) -> str:
    """Make about 1,200 tokens that no other seed shares."""
    return "".join(
        f"def {seed}_{index}(a, b):\n    return a * {index} + b\n\n\n" for index in range(60)
    )


def healed(prompt: Prompt, healing: str) -> Prompt:
    """Ask for other healed text."""
    return Prompt(prompt.token_ids, prompt.stop_token_ids, healing)


async def run(
    engine: OpenVinoEngine,
    prompt: Prompt,
    sampling: SamplingParams | None = None,
    cancel: CancelToken | None = None,
) -> list[Delta]:
    """Generate to the end."""
    deltas = engine.generate(
        prompt, sampling or SamplingParams(max_tokens=12), cancel or CancelToken()
    )
    return [delta async for delta in deltas]


def text(deltas: list[Delta], index: int = 0) -> str:
    """One candidate's text."""
    return "".join(delta.text for delta in deltas if delta.index == index)


def ids(deltas: list[Delta], index: int = 0) -> list[int]:
    """One candidate's ids."""
    return [token for delta in deltas if delta.index == index for token in delta.token_ids]


@weights
async def test_completes_code(engine: OpenVinoEngine, builder: PromptBuilder) -> None:
    """The model knows what a perimeter is."""
    deltas = await run(engine, build_prompt(CompletionContext(CODE, AFTER), builder))
    assert text(deltas).lstrip().startswith("2 * (width + height)")


@weights
async def test_empty_file(engine: OpenVinoEngine, builder: PromptBuilder) -> None:
    """A prompt of control tokens alone is a prompt."""
    prompt = build_prompt(CompletionContext("", ""), builder)
    assert 3 == len(prompt.token_ids)
    assert (await run(engine, prompt))[-1].finish_reason is not None


@weights
async def test_greedy_repeats(engine: OpenVinoEngine, builder: PromptBuilder) -> None:
    """The same prompt gives the same ids, whether its keys and values were cached or not."""
    prompt = build_prompt(CompletionContext(CODE, AFTER, path="greedy.py"), builder)
    first, second = await run(engine, prompt), await run(engine, prompt)
    assert ids(first) == ids(second)
    assert text(first) == text(second)


@weights
async def test_streams_tokens(engine: OpenVinoEngine, builder: PromptBuilder) -> None:
    """Tokens come one by one, with ids, text and log-probabilities that belong together."""
    prompt = build_prompt(CompletionContext(CODE, AFTER), builder)
    assert prompt.healing
    deltas = await run(engine, prompt)
    with_tokens = [delta for delta in deltas if delta.token_ids]
    assert [1] * 12 == [len(delta.token_ids) for delta in with_tokens]
    assert engine.tokenizer.decode(ids(deltas)) == prompt.healing + text(deltas)
    assert all(len(delta.token_ids) == len(delta.logprobs) for delta in deltas)
    assert all(-100 < logprob <= 0 for delta in deltas for logprob in delta.logprobs)
    assert [FinishReason.LENGTH] == [one.finish_reason for one in deltas if one.finish_reason]


@weights
@pytest.mark.parametrize(
    "healing",
    [
        *("    ", "\t\t", "  return", "wid"),
        *("[^a-z]*", "a.b|c?", "\\d+\\", "${x}", "^(a)$", "{{1,2}}", "x-y", "a/b#~&@!%"),
        *("\"'", "'''", "\\n", "é", "日本", "🙂", "\f", "\x7f"),
        *("\N{LINE SEPARATOR}", "\N{NO-BREAK SPACE}", "a\0"),
    ],
    ids=ascii,
)
async def test_healing(engine: OpenVinoEngine, builder: PromptBuilder, healing: str) -> None:
    """Whatever the healed text is made of, the generation begins with it and reports the rest."""
    prompt = healed(build_prompt(CompletionContext("x = ", "\n"), builder), healing)
    sampling = SamplingParams(max_tokens=len(healing.encode()) + 3)
    deltas = await run(engine, prompt, sampling)
    generated = engine.tokenizer.decode(ids(deltas))
    assert generated.startswith(healing)
    assert generated[len(healing) :] == text(deltas)


@weights
async def test_typing_reuses_the_prompt(
    engine: OpenVinoEngine, builder: PromptBuilder, worker: Listener
) -> None:
    """After a typed character all of a 1,000-token prompt but its end is not computed again."""
    before, after = long_code("before"), long_code("after")
    first, second = (
        build_prompt(CompletionContext(f"{before}x = {typed}", after), builder)
        for typed in ("", "a")
    )
    # The suffix's share is limited, so the prompt has fewer tokens than the code.
    assert len(second.token_ids) > 600
    one = SamplingParams(max_tokens=1)
    await run(engine, first, one)
    read = worker.prefills()
    assert read >= 600 // openvino.PREFILL_CHUNK_TOKENS
    warm = (await run(engine, second, one))[-1].usage
    assert read == worker.prefills()  # a single step
    assert warm is not None
    assert len(second.token_ids) == warm.prompt_tokens
    assert warm.prompt_tokens - (warm.reused_tokens or 0) <= 3


@weights
async def test_cancel_while_decoding(engine: OpenVinoEngine, builder: PromptBuilder) -> None:
    """A cancelled generation ends soon, with what it had."""
    cancel = CancelToken()
    prompt = build_prompt(CompletionContext("numbers = [1, 2, 3,", ""), builder)
    deltas = []
    async for delta in engine.generate(prompt, SamplingParams(max_tokens=1000), cancel):
        deltas.append(delta)
        if len(deltas) == 4:
            cancel.cancel()
    assert FinishReason.CANCEL == deltas[-1].finish_reason
    assert len(ids(deltas)) < 300


@weights
async def test_cancel_in_prefill(
    engine: OpenVinoEngine, builder: PromptBuilder, worker: Listener
) -> None:
    """A generation that is cancelled before its first token ends without one, and before all of
    its prompt was computed.
    """
    cancel = CancelToken()
    prompt = build_prompt(CompletionContext(long_code("cancelled"), "\n"), builder)
    worker.on_prefill = cancel.cancel
    [last] = await run(engine, prompt, None, cancel)
    assert (FinishReason.CANCEL, ()) == (last.finish_reason, last.token_ids)
    # What was computed by then isn't lost.
    usage = (await run(engine, prompt, SamplingParams(max_tokens=1)))[-1].usage
    assert usage is not None
    kept = usage.reused_tokens or 0
    assert openvino.PREFILL_CHUNK_TOKENS <= kept < usage.prompt_tokens / 2


@weights
async def test_closing_the_iterator_frees_the_engine(
    engine: OpenVinoEngine, builder: PromptBuilder, worker: Listener
) -> None:
    """A caller that has enough closes the iterator; the next request doesn't wait for it."""
    prompt = build_prompt(CompletionContext("numbers = [1, 2, 3,", ""), builder)
    stream = engine.generate(prompt, SamplingParams(max_tokens=1000), CancelToken())
    await anext(stream)
    await stream.aclose()
    assert text(await run(engine, prompt, SamplingParams(max_tokens=4)))
    old = worker.heard[0]["id"]
    assert ["cancel"] == [
        one["finish"] for one in worker.heard if one["id"] == old and one.get("finish")
    ]


@weights
async def test_deadline(engine: OpenVinoEngine, builder: PromptBuilder) -> None:
    """At its deadline a generation ends with whole tokens, however many they are."""
    prompt = build_prompt(CompletionContext("numbers = [1, 2, 3,", ""), builder)
    deltas = await run(engine, prompt, SamplingParams(max_tokens=2000, deadline_ms=400))
    assert FinishReason.DEADLINE == deltas[-1].finish_reason
    assert engine.tokenizer.decode(ids(deltas))[len(prompt.healing) :] == text(deltas)


@weights
async def test_several_candidates(engine: OpenVinoEngine, builder: PromptBuilder) -> None:
    """The first candidate is the greedy one, the others are sampled, repeatably, and differ."""
    prompt = build_prompt(CompletionContext("# A random word: ", "\n"), builder)
    greedy = await run(engine, prompt)
    sampling = SamplingParams(max_tokens=12, candidates=3, temperature=1.5, seed=7)
    deltas = await run(engine, prompt, sampling)
    texts = [text(deltas, index) for index in range(3)]
    ends = collections.Counter(delta.index for delta in deltas if delta.finish_reason)
    assert {0: 1, 1: 1, 2: 1} == ends
    assert ids(greedy)[:4] == ids(deltas)[:4]
    assert 3 == len(set(texts))


@weights
async def test_concurrent_requests(engine: OpenVinoEngine, builder: PromptBuilder) -> None:
    """Two requests share the engine: both go on, neither waits for the other's end."""
    order: list[str] = []

    async def note(name: str, code: str) -> str:
        prompt = build_prompt(CompletionContext(code, ""), builder)
        parts = []
        async for delta in engine.generate(prompt, SamplingParams(max_tokens=16), CancelToken()):
            order.append(name)
            parts.append(delta.text)
        return "".join(parts)

    texts = await asyncio.gather(
        note("a", "numbers = [1, 2, 3,"), note("b", 'letters = ["a", "b",')
    )
    assert all(texts)
    last_a = len(order) - 1 - order[::-1].index("a")
    last_b = len(order) - 1 - order[::-1].index("b")
    assert order.index("b") < last_a
    assert order.index("a") < last_b


@weights
async def test_literal_control_tokens(engine: OpenVinoEngine, builder: PromptBuilder) -> None:
    """Control tokens in source code reach the model as text, and no control id comes back."""
    literal = "<|fim_prefix|><|fim_suffix|><|fim_middle|><|endoftext|><|im_end|><|file_sep|>"
    context = CompletionContext(f'TOKENS = "{literal}"\nx = ', f'\ny = "{literal}"\n')
    prompt = build_prompt(context, builder)
    control = set(engine.tokenizer.control_tokens.values())
    marks = [token for token in prompt.token_ids if token in control]
    layout = [engine.tokenizer.control_id(token) for token in builder.format.layout_tokens]
    assert layout == marks
    assert control.isdisjoint(ids(await run(engine, prompt)))


@weights
async def test_killed_worker_is_replaced(engine: OpenVinoEngine, builder: PromptBuilder) -> None:
    """A worker that is killed fails its requests; the next request loads the model again."""
    prompt = build_prompt(CompletionContext(CODE, AFTER), builder)
    expected = ids(await run(engine, prompt))
    stream = engine.generate(prompt, SamplingParams(max_tokens=500), CancelToken())
    await anext(stream)
    killed = engine.worker_pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    with pytest.raises(EngineDeadError, match="killed by signal 9"):
        async for _ in stream:
            pass
    deltas = await run(engine, prompt)
    assert expected == ids(deltas)
    assert killed != engine.worker_pid
    assert deltas[-1].usage is not None
    assert 0 == deltas[-1].usage.reused_tokens


@weights
async def test_prompt_beyond_memory(
    smollm2_model: PreparedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A prompt for which the cache has no room fails its request, and the engine lives on."""
    monkeypatch.setattr(openvino, "KV_BLOCKS", 8)
    manifest = Manifest("pre-post-mid", ("spm",), {}, "", "smollm2", "")
    engine = await OpenVinoEngine.load(
        smollm2_model.directory, model="smollm2", describe=lambda _: manifest
    )
    try:
        code = engine.tokenizer.encode(long_code("x"))
        with pytest.raises(EngineError, match="memory") as caught:
            await run(engine, Prompt(tuple(code[:400]), frozenset({0, 2})))
        assert not isinstance(caught.value, EngineDeadError)
        assert text(await run(engine, Prompt(tuple(code[:100]), frozenset({0, 2}))))
    finally:
        await engine.aclose()


async def test_folder_without_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that holds no model fails the load and says what the worker said. Modules in the
    current folder, which is somebody's workspace, are not what the worker imports.
    """
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    for module in ("numpy", "openvino", "json"):
        (workspace / f"{module}.py").write_text("raise SystemExit('not me')")
    monkeypatch.chdir(workspace)
    manifest = Manifest("pre-post-mid", ("spm",), {}, "", "none", "")
    tokenizer = '{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}'
    (tmp_path / "tokenizer.json").write_text(tokenizer)
    with pytest.raises(EngineDeadError, match=r"code 1: .*openvino_model.xml"):
        await OpenVinoEngine.load(tmp_path, model="none", describe=lambda _: manifest)
