"""The http engine against a real llama.cpp server with SmolLM2-135M."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from fimls.engines.http import HttpEngine, RetryPolicy
from fimls.fim import Manifest, Tokenizer
from fimls.store import PreparedModel
from fimls.types import (
    CancelToken,
    Delta,
    EngineError,
    FinishReason,
    ModelError,
    Prompt,
    SamplingParams,
)
from tests.clocks import HANG_S

pytestmark = [pytest.mark.weights, pytest.mark.slow, pytest.mark.timeout(600)]

# xllamacpp's server runs inside the process that makes it; it prints its address when it is up.
_SERVE = """
import sys, time, xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.hostnames = ["127.0.0.1"]
params.port = 0
params.n_ctx, params.n_parallel, params.warmup = 4096, 2, False
params.cpuparams.n_threads = 1
params.endpoint_slots = True
server = xllamacpp.Server(params)
print("ADDRESS", server.listening_address, flush=True)
time.sleep(600)
"""

CODE = 'def area(self) -> float:\n    """Square metres."""\n    return math.'


@dataclass(frozen=True)
class Running:
    """A server process and where it listens."""

    address: str
    process: subprocess.Popen[str]


def start(gguf: Path, log: Path) -> Running:
    """Start a server on a free loopback port and wait until its model is loaded."""
    pytest.importorskip("xllamacpp")
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, str(gguf)],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("ADDRESS"):
            return Running(line.split()[1], process)
    raise AssertionError(f"llama.cpp's server didn't start: {log.read_text()[-1000:]}")


def stop(running: Running) -> None:
    """End the process, whether or not it still runs."""
    running.process.kill()
    running.process.wait()
    assert running.process.stdout is not None
    running.process.stdout.close()


@pytest.fixture(scope="module")
def server(smollm2_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for all tests that leave it running."""
    running = start(smollm2_gguf, tmp_path_factory.mktemp("llama") / "log")
    yield running
    stop(running)


@pytest.fixture(scope="module")
def tokenizer(smollm2_model: PreparedModel) -> Tokenizer:
    """The model's, as fimls reads it from the GGUF."""
    return Tokenizer.from_file(smollm2_model.tokenizer)


def manifest(tokenizer: Tokenizer) -> Manifest:
    """Control tokens that the model really has: it has none for fill-in-the-middle."""
    names = ("<|endoftext|>", "<|im_end|>", "<repo_name>", "<file_sep>")
    return Manifest(
        format="none",
        orders=(),
        control_ids={name: tokenizer.control_tokens[name] for name in names},
        tokenizer_sha256=tokenizer.sha256,
        base="smollm2",
        base_sha256="",
    )


async def connect(running: Running, tokenizer: Tokenizer) -> HttpEngine:
    """An engine that gives up soon."""
    return await HttpEngine.connect(
        running.address,
        manifest=manifest(tokenizer),
        tokenizer=tokenizer,
        retry=RetryPolicy(attempts=2, base_ms=10),
    )


@pytest.fixture
async def engine(server: Running, tokenizer: Tokenizer) -> AsyncIterator[HttpEngine]:
    """An engine on the common server."""
    engine = await connect(server, tokenizer)
    yield engine
    await engine.aclose()


def prompt(engine: HttpEngine, code: str = CODE, healing: str = "") -> Prompt:
    """Plain code: what is tested is the wire."""
    stops = frozenset(engine.manifest.control_ids.values())
    return Prompt(tuple(engine.tokenizer.encode(code)), stops, healing)


async def collect(
    engine: HttpEngine, request: Prompt, cancel: CancelToken | None = None, **sampling: Any
) -> list[Delta]:
    """All deltas of a generation of 12 tokens, unless ``sampling`` says otherwise."""
    parameters = SamplingParams(**{"max_tokens": 12} | sampling)
    generated = engine.generate(request, parameters, cancel or CancelToken())
    return [delta async for delta in generated]


def ids_of(deltas: Sequence[Delta], index: int = 0) -> list[int]:
    """The ids of one candidate."""
    return [token for delta in deltas if delta.index == index for token in delta.token_ids]


def text_of(deltas: Sequence[Delta], index: int = 0) -> str:
    """The text of one candidate."""
    return "".join(delta.text for delta in deltas if delta.index == index)


async def test_what_it_can_do(engine: HttpEngine) -> None:
    """Everything but adapters is found by the probe."""
    caps = engine.capabilities
    assert "llama-server" == engine.server
    assert (True, True, True, True, False) == (
        caps.token_ids, caps.healing, caps.logprobs, caps.prefix_reuse, caps.adapters,
    )  # fmt: skip


async def test_greedy(engine: HttpEngine) -> None:
    """A greedy completion repeats, its ids decode to its text, and its probabilities are such."""
    first = await collect(engine, prompt(engine))
    second = await collect(engine, prompt(engine))
    assert ids_of(first) == ids_of(second)
    assert 12 == len(ids_of(first))
    assert engine.tokenizer.decode(ids_of(first)) == text_of(first)
    logprobs = [value for delta in first for value in delta.logprobs]
    assert 12 == len(logprobs)
    assert all(value <= 0 for value in logprobs)
    assert FinishReason.LENGTH == first[-1].finish_reason


async def test_reuse_after_a_typed_character(engine: HttpEngine) -> None:
    """After a keystroke at least 90 % of the prompt is reused, and the server says how much."""
    code = "\n".join(f"value_{number} = {number}" for number in range(30)) + "\n"
    await collect(engine, prompt(engine, code), max_tokens=1)
    deltas = await collect(engine, prompt(engine, code + "v"), max_tokens=1)
    usage = deltas[-1].usage
    assert usage is not None
    assert usage.reused_tokens is not None
    assert usage.reused_tokens >= 0.9 * usage.prompt_tokens


@pytest.mark.parametrize("healing", ["sq", '"\\', "  \n\t", "é漢😀"])
async def test_healing(engine: HttpEngine, healing: str) -> None:
    """Whatever the healed text, the generation begins with it, and only what follows is shown."""
    deltas = await collect(engine, prompt(engine, healing=healing), max_tokens=20)
    total = engine.tokenizer.decode(ids_of(deltas))
    if healing.isascii():  # of other characters the server doesn't name all ids
        assert total.startswith(healing)
        assert total.removeprefix(healing) == text_of(deltas)
    assert text_of(deltas)


async def test_candidates(engine: HttpEngine) -> None:
    """Several candidates come in one call: the greedy one, and sampled ones that repeat by seed."""
    greedy = await collect(engine, prompt(engine))
    several = await collect(engine, prompt(engine), candidates=3, temperature=1.5, seed=4)
    again = await collect(engine, prompt(engine), candidates=3, temperature=1.5, seed=4)
    assert ids_of(greedy) == ids_of(several, 0)
    texts = [text_of(several, index) for index in range(3)]
    assert 1 < len(set(texts))
    assert texts == [text_of(again, index) for index in range(3)]


async def slots(running: Running) -> list[dict[str, Any]]:
    """What the server says of its slots."""
    async with httpx.AsyncClient(trust_env=False, timeout=HANG_S) as client:
        found: list[dict[str, Any]] = (await client.get(f"{running.address}/slots")).json()
    return found


async def test_cancel_frees_the_server(server: Running, engine: HttpEngine) -> None:
    """A cancelled generation ends here with what came, and on the server long before its limit."""
    request = prompt(engine, "# Count: 1, 2, 3, 4,")
    cancel = CancelToken()
    deltas: list[Delta] = []
    async for delta in engine.generate(request, SamplingParams(max_tokens=1500), cancel):
        deltas.append(delta)
        if len(deltas) == 3:
            assert any(slot["is_processing"] for slot in await slots(server))
            cancel.cancel()
    assert FinishReason.CANCEL == deltas[-1].finish_reason
    decoded = 0
    while busy := [slot for slot in await slots(server) if slot["is_processing"]]:
        decoded = busy[0]["next_token"][0]["n_decoded"]
        await asyncio.sleep(0.01)
    assert decoded < 750


async def test_deadline(engine: HttpEngine) -> None:
    """At the deadline the generation ends with what there is."""
    deltas = await collect(engine, prompt(engine), max_tokens=1500, deadline_ms=400)
    assert FinishReason.DEADLINE == deltas[-1].finish_reason
    assert engine.tokenizer.decode(ids_of(deltas)) == text_of(deltas)
    assert len(ids_of(deltas)) < 1500


async def test_a_prompt_beyond_the_context(engine: HttpEngine) -> None:
    """The server's own explanation is passed on, with what to do."""
    with pytest.raises(EngineError, match="context size") as caught:
        await collect(engine, prompt(engine, "x = 1\n" * 2000))
    assert "budgets" in caught.value.hint


async def test_another_model_s_control_ids_are_refused(
    server: Running, tokenizer: Tokenizer
) -> None:
    """A format whose control tokens this model doesn't have is refused when connecting."""
    wrong = Manifest(
        format="qwen2.5-coder",
        orders=("spm",),
        control_ids={**manifest(tokenizer).control_ids, "<|fim_middle|>": 151660},
        tokenizer_sha256="",
        base="qwen",
        base_sha256="",
    )
    with pytest.raises(ModelError, match="control ids"):
        await HttpEngine.connect(server.address, manifest=wrong, tokenizer=tokenizer)


async def test_a_server_that_is_killed(
    smollm2_gguf: Path, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    """A server that dies mid-stream fails that request and the next, explained, in seconds."""
    running = start(smollm2_gguf, tmp_path / "log")
    try:
        engine = await connect(running, tokenizer)
        deltas = engine.generate(prompt(engine), SamplingParams(max_tokens=1500), CancelToken())
        await anext(deltas)
        running.process.send_signal(signal.SIGKILL)
        with pytest.raises(EngineError, match="broke off"):
            async for _ in deltas:
                pass
        with pytest.raises(EngineError, match="no answer"):
            await collect(engine, prompt(engine))
        await engine.aclose()
    finally:
        stop(running)
