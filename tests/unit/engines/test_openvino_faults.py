"""The openvino engine against a worker that is played by a script, and misbehaves on request."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import signal
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from fimls.child import Child
from fimls.engines import openvino
from fimls.engines.openvino import OpenVinoEngine
from fimls.fim import Manifest, Tokenizer
from fimls.types import (
    AdapterMismatchError,
    CancelToken,
    CapabilityError,
    Delta,
    EngineDeadError,
    EngineError,
    FinishReason,
    Prompt,
    SamplingParams,
)
from tests.clocks import HANG_S, LoopClock, until

TOKENIZER = Tokenizer.of_bytes(["<end>", "<pre>", "<suf>", "<mid>"])
MANIFEST = Manifest("test", ("spm",), TOKENIZER.control_tokens, TOKENIZER.sha256, "test", "")

# What the fake worker does is said by a request's first id: no control id of the tokenizer is
# as high, so that a real prompt can't be taken for one.
ANSWER, DIE, SILENT, ERROR, STREAM, GARBAGE, SURVIVE, BUSY = range(1000, 1008)

FAKE_WORKER = f"""
import base64, json, os, signal, sys, time

*_, log, start = sys.argv
signal.signal(signal.SIGALRM, lambda *_: os._exit(99))
signal.alarm(120)  # whatever the test does, this process ends

def note(text):
    with open(log, "a") as file:
        file.write(text + "\\n")

def send(**message):
    os.write(1, json.dumps(message).encode() + b"\\n")

def delta(request, text="", finish=None):
    ids = list(text.encode())
    logprobs = [-0.5] * len(ids)
    send(event="delta", id=request, ids=ids, logprobs=logprobs, finish=finish, reused=7)

note(f"start {{os.getpid()}}")
if start == "die":
    os.write(2, b"native noise\\n\\xff\\xfe\\nno such model\\n")
    sys.exit(3)
while start == "held" and not os.path.exists(log + ".go"):
    time.sleep(0.01)
if start == "silent":
    time.sleep(60)
if start == "print":
    os.write(1, b"OpenVINO says hello\\n")
send(event="ready")
vocabulary = base64.b64decode(json.loads(sys.stdin.readline())["ids"])
for line in sys.stdin:
    message = json.loads(line)
    request = message["id"]
    if message["op"] == "cancel":
        note(f"cancel {{request}}")
        delta(request, finish="cancel")
        continue
    kind = message["ids"][0]
    if kind == {ANSWER}:
        note(json.dumps(message))
        send(event="prefill", id=request)
        for start, _, shorter in message["healing"]:  # of tokens that are a byte each
            delta(request, chr(shorter[0][0] if shorter else vocabulary[4 * start]))
        for character in "abc":
            delta(request, character)
        delta(request, finish="stop")
    elif kind == {DIE}:
        delta(request, "a")
        os.write(2, b"terminate called\\nwhat(): out of memory\\n")
        os._exit(7)
    elif kind == {ERROR}:
        send(event="error", id=request, message="the tensor has the wrong shape")
    elif kind == {STREAM}:
        delta(request, "a")
    elif kind == {GARBAGE}:
        os.write(1, b"not JSON at all\\n")
        delta(request, "abc", "stop")
    elif kind == {BUSY}:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
        note("busy")
        for _ in range(8):
            signal.sigwait([signal.SIGUSR1])
            delta(request, "a")
        delta(request, finish="stop")
    elif kind == {SURVIVE}:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        note("survive")
        delta(request, "a")
        time.sleep(60)
note("end")
"""

MakeEngine = Callable[..., OpenVinoEngine]
FakePython = Callable[[str], Path]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where fake workers note what happens to them."""
    path = tmp_path / "log"
    path.touch()
    return path


@pytest.fixture
async def make_engine(tmp_path: Path, log: Path) -> AsyncIterator[MakeEngine]:
    """Makes engines whose worker is the fake one; they are closed at the end."""
    script = tmp_path / "fake_worker.py"
    script.write_text(FAKE_WORKER)
    engines = []

    def make(start: str = "") -> OpenVinoEngine:
        command = (sys.executable, "-S", str(script), str(log), start)
        engine = OpenVinoEngine(command, model="fake", manifest=MANIFEST, tokenizer=TOKENIZER)
        engines.append(engine)
        return engine

    yield make
    for engine in engines:
        await engine.aclose()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Every message to a worker about a request, at the moment it is written."""
    messages: list[dict[str, Any]] = []
    send = openvino.Worker.send

    def send_and_note(self: openvino.Worker, message: dict[str, Any]) -> None:
        send(self, message)
        if message["op"] != "vocabulary":
            messages.append(message)

    monkeypatch.setattr(openvino.Worker, "send", send_and_note)
    return messages


def prompt(kind: int, healing: str = "") -> Prompt:
    """Make a prompt to which the fake worker does ``kind``."""
    return Prompt((kind, *range(40)), stop_token_ids=frozenset({256, 257}), healing=healing)


async def run(
    engine: OpenVinoEngine,
    kind: int = ANSWER,
    sampling: SamplingParams | None = None,
    healing: str = "",
) -> list[Delta]:
    """Generate to the end."""
    deltas = engine.generate(prompt(kind, healing), sampling or SamplingParams(), CancelToken())
    return [delta async for delta in deltas]


def text(deltas: list[Delta]) -> str:
    """All that was generated."""
    return "".join(delta.text for delta in deltas)


def notes(log: Path) -> list[str]:
    """What the workers noted so far."""
    return log.read_text().splitlines()


def starts(log: Path) -> list[int]:
    """The process ids of the workers so far."""
    return [int(line.split()[1]) for line in notes(log) if line.startswith("start")]


def release(log: Path) -> None:
    """Let workers that were started as held go on."""
    Path(f"{log}.go").touch()


def is_running(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_answers(make_engine: MakeEngine, log: Path) -> None:
    """The healthy worker: deltas as they come, a reason at the end, the cost on first and last."""
    engine = make_engine()
    deltas = await run(engine)
    assert ["a", "b", "c", ""] == [delta.text for delta in deltas]
    assert [None, None, None, FinishReason.STOP] == [delta.finish_reason for delta in deltas]
    assert [True, False, False, True] == [delta.usage is not None for delta in deltas]
    assert all(len(delta.token_ids) == len(delta.logprobs) for delta in deltas)
    assert [engine.worker_pid] == starts(log)


async def test_request_carries_everything(make_engine: MakeEngine, log: Path) -> None:
    """A worker gets the ids, the limits and the sampling of the request."""
    sampling = SamplingParams(max_tokens=5, temperature=0.8, top_p=0.9, seed=3, deadline_ms=70.0)
    assert "abc" == text(await run(make_engine(), ANSWER, sampling, healing="re"))
    message = json.loads(notes(log)[-1])
    del message["id"]
    expected = {
        "op": "generate",
        "ids": [ANSWER, *range(40)],
        "max_tokens": 5,
        "stop_ids": [256, 257],
        "healing": [[115, 115, [[114, 1]]], [102, 102, [[101, 1]]]],
        "deadline_ms": 70.0,
        "temperature": 0.8,
        "top_p": 0.9,
        "seed": 3,
    }
    assert expected == message


async def test_first_of_several_candidates_is_greedy(make_engine: MakeEngine, log: Path) -> None:
    """Of several candidates the first is greedy, and the seeds of the others differ."""
    deltas = await run(make_engine(), ANSWER, SamplingParams(candidates=3, seed=5))
    assert {0, 1, 2} == {delta.index for delta in deltas if delta.finish_reason}
    messages = [json.loads(line) for line in notes(log) if line[0] == "{"]
    assert [(0, 5), (0.6, 6), (0.6, 7)] == sorted(
        (message["temperature"], message["seed"]) for message in messages
    )


async def test_reused_tokens(make_engine: MakeEngine) -> None:
    """What the worker says it has reused is in the request's usage, first and last."""
    first, *_, last = [delta.usage for delta in await run(make_engine()) if delta.usage]
    assert (41, 7) == (first.prompt_tokens, first.reused_tokens)
    assert (41, 7) == (last.prompt_tokens, last.reused_tokens)


async def test_other_device(tmp_path: Path) -> None:
    """A device that the engine doesn't run on is refused before anything is started."""
    with pytest.raises(CapabilityError, match="not on GPU") as caught:
        await OpenVinoEngine.load(tmp_path, model="fake", describe=lambda _: MANIFEST, device="GPU")
    assert "engine = torch" in caught.value.hint


async def test_dies_at_start(make_engine: MakeEngine, log: Path) -> None:
    """A worker that can't load says why: its exit code and what it printed last."""
    engine = make_engine("die")
    with pytest.raises(EngineDeadError, match=r"code 3: .*no such model") as caught:
        await run(engine)
    assert "fimls pull --verify" in caught.value.hint
    assert not any(map(is_running, starts(log)))


async def test_silent_at_start(
    make_engine: MakeEngine, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that never becomes ready is given up and ended."""
    monkeypatch.setattr(openvino, "_LOAD_TIMEOUT_S", 0.3)
    with pytest.raises(EngineDeadError, match="did not load"):
        await run(make_engine("silent"))
    assert not any(map(is_running, starts(log)))


async def test_prints_at_start(make_engine: MakeEngine) -> None:
    """Text on standard output that is no message does no harm."""
    assert "abc" == text(await run(make_engine("print")))


async def test_prints_while_generating(make_engine: MakeEngine) -> None:
    """The same in the middle of a generation."""
    assert "abc" == text(await run(make_engine(), GARBAGE))


async def test_dies_while_generating(make_engine: MakeEngine, log: Path) -> None:
    """A death fails the request with what the worker printed last; the next one starts another."""
    engine = make_engine()
    with pytest.raises(EngineDeadError, match=r"code 7: .*out of memory") as caught:
        await run(engine, DIE)
    assert "next request" in caught.value.hint
    assert "abc" == text(await run(engine))
    assert 2 == len(set(starts(log)))


async def test_killed_while_generating(make_engine: MakeEngine, log: Path) -> None:
    """A worker killed from outside is noticed at once, and named by its signal."""
    engine = make_engine()
    task = asyncio.create_task(run(engine, SILENT))
    await until(lambda: engine.worker_pid)
    os.kill(starts(log)[0], signal.SIGKILL)
    with pytest.raises(EngineDeadError, match="killed by signal 9"):
        await asyncio.wait_for(task, HANG_S)
    assert "abc" == text(await run(engine))


async def test_death_fails_every_request(make_engine: MakeEngine) -> None:
    """All requests of a worker fail when it dies."""
    engine = make_engine()
    await run(engine)
    tasks = [asyncio.create_task(run(engine, kind)) for kind in (SILENT, STREAM, SILENT)]
    assert engine._worker is not None
    queues = engine._worker._queues
    await until(lambda: len(queues) == 3)
    os.kill(engine._worker.pid, signal.SIGKILL)
    results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), HANG_S)
    assert [EngineDeadError] * 3 == [type(result) for result in results]


async def test_restarts_are_limited(make_engine: MakeEngine, log: Path) -> None:
    """A worker that keeps dying is not started for ever."""
    engine = make_engine()
    for _ in range(openvino._MOST_RESTARTS):
        with pytest.raises(EngineDeadError, match="code 7"):
            await run(engine, DIE)
    with pytest.raises(EngineDeadError, match="died 4 times") as caught:
        await run(engine)
    assert "restart the server" in caught.value.hint
    assert openvino._MOST_RESTARTS == len(starts(log))


async def test_requests_share_a_restart(make_engine: MakeEngine, log: Path) -> None:
    """Requests that come while the worker starts wait for it, and for no other."""
    engine = make_engine("held")
    tasks = [asyncio.create_task(run(engine)) for _ in range(3)]
    await until(lambda: starts(log))
    release(log)
    results = await asyncio.gather(*tasks)
    assert ["abc"] * 3 == [text(deltas) for deltas in results]
    assert 1 == len(starts(log))


async def test_cancelled_request_does_not_stop_a_restart(
    make_engine: MakeEngine, log: Path
) -> None:
    """Typing while the worker starts cancels requests, not the start, and uses up no restart."""
    engine = make_engine("held")
    for _ in range(2 * openvino._MOST_RESTARTS):
        task = asyncio.create_task(run(engine))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
    assert engine._restarting is not None
    release(log)
    assert "abc" == text(await run(engine))
    assert 1 == len(starts(log))


async def test_error_event(make_engine: MakeEngine, log: Path) -> None:
    """A request that the worker refuses fails alone."""
    engine = make_engine()
    with pytest.raises(EngineError, match="wrong shape") as caught:
        await run(engine, ERROR)
    assert not isinstance(caught.value, EngineDeadError)
    assert "abc" == text(await run(engine))
    assert 1 == len(starts(log))


async def test_wrong_healing(make_engine: MakeEngine) -> None:
    """A worker that doesn't produce the healed text fails the request; the hint says what to do."""
    with pytest.raises(EngineError, match="healed text") as caught:
        await run(make_engine(), GARBAGE, healing="xyz")
    assert "healing = false" in caught.value.hint


async def test_silent_while_generating(
    make_engine: MakeEngine, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that falls silent is ended, and the next request starts another."""
    engine = make_engine()
    with monkeypatch.context() as patch:
        patch.setattr(openvino, "_SILENCE_TIMEOUT_S", 0.2)
        with pytest.raises(EngineDeadError, match="silent") as caught:
            await run(engine, SURVIVE)
    assert "next request" in caught.value.hint
    assert not any(map(is_running, starts(log)))
    assert "abc" == text(await run(engine))


async def test_busy_with_others_is_not_silent(
    make_engine: MakeEngine, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that waits behind another hears nothing for longer than a silent worker may take,
    and still gets its answer.
    """
    engine = make_engine()
    await run(engine)
    clock = LoopClock(monkeypatch)
    came: list[Delta] = []

    async def be_busy() -> None:
        async for delta in engine.generate(prompt(BUSY), SamplingParams(), CancelToken()):
            came.append(delta)  # noqa: PERF401 - counted while they come

    def has_come(count: int) -> bool:
        return len(came) >= count

    busy = asyncio.create_task(be_busy())
    await until(lambda: "busy" in notes(log))
    waiting = asyncio.create_task(run(engine))
    assert engine._worker is not None
    queues = engine._worker._queues
    await until(lambda: len(queues) == 2)
    for count in range(1, 9):
        clock.put_forward(0.6 * openvino._SILENCE_TIMEOUT_S)
        await asyncio.sleep(0)  # the timers whose time has come
        os.kill(engine._worker.pid, signal.SIGUSR1)
        await until(functools.partial(has_come, count))
    await busy
    assert ("a" * 8, "abc") == (text(came), text(await waiting))
    assert 1 == len(starts(log))


@pytest.mark.parametrize("how", ["token", "thread", "close", "task"])
async def test_cancel_is_sent_at_once(
    make_engine: MakeEngine, sent: list[dict[str, Any]], how: str
) -> None:
    """However a request is cancelled, the worker is told within one turn of the event loop."""
    engine, cancel = make_engine(), CancelToken()
    stream = engine.generate(prompt(STREAM), SamplingParams(), cancel)
    assert "a" == (await anext(stream)).text
    waiting = asyncio.ensure_future(anext(stream)) if how != "close" else None
    await asyncio.sleep(0)
    assert ["generate"] == [message["op"] for message in sent]
    if how == "token":
        cancel.cancel()
    elif how == "thread":
        await asyncio.to_thread(cancel.cancel)
    elif how == "task":
        assert waiting is not None
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
    else:
        await stream.aclose()
    await asyncio.sleep(0)
    assert ["generate", "cancel"] == [message["op"] for message in sent]
    assert sent[0]["id"] == sent[1]["id"]
    if how in ("token", "thread"):
        assert waiting is not None
        assert FinishReason.CANCEL == (await asyncio.wait_for(waiting, HANG_S)).finish_reason
    await stream.aclose()


@pytest.mark.parametrize("turns", range(6))
async def test_cancellation_that_comes_with_a_message(make_engine: MakeEngine, turns: int) -> None:
    """A cancelled request ends at once, even at the moment when a message arrives."""
    engine = make_engine()
    stream = engine.generate(prompt(STREAM), SamplingParams(), CancelToken())
    await anext(stream)
    assert engine._worker is not None
    [queue] = engine._worker._queues.values()
    task = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.01)
    queue.put_nowait({"event": "delta", "ids": [98], "logprobs": [-1.0], "finish": None})
    for _ in range(turns):
        await asyncio.sleep(0)
    closing = asyncio.create_task(end(task, stream))
    await asyncio.wait_for(closing, HANG_S)


async def end(task: asyncio.Future[Delta], stream: AsyncGenerator[Delta, None]) -> None:
    """Cancel a task that waits for a stream's next delta, then close the stream."""
    task.cancel()
    await asyncio.wait([task])
    await stream.aclose()


async def test_cancelled_before_it_starts(
    make_engine: MakeEngine, sent: list[dict[str, Any]]
) -> None:
    """A request whose token was cancelled already ends without an answer."""
    cancel = CancelToken()
    cancel.cancel()
    stream = make_engine().generate(prompt(SILENT), SamplingParams(), cancel)
    deltas = await asyncio.wait_for(anext(stream), HANG_S)
    assert FinishReason.CANCEL == deltas.finish_reason
    await stream.aclose()
    assert ["generate", "cancel"] == [message["op"] for message in sent]


async def test_late_cancel_is_not_sent(make_engine: MakeEngine, sent: list[dict[str, Any]]) -> None:
    """Cancelling a token after its request's end sends nothing to the worker."""
    cancel = CancelToken()
    engine = make_engine()
    async for _ in engine.generate(prompt(ANSWER), SamplingParams(), cancel):
        pass
    cancel.cancel()
    for _ in range(3):  # turns of the event loop
        await asyncio.sleep(0)
    assert ["generate"] == [message["op"] for message in sent]


async def test_cancelling_when_the_worker_has_just_died(
    make_engine: MakeEngine, sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that is cancelled then ends as any other, and leaves nothing."""
    engine = make_engine()
    task = asyncio.create_task(run(engine, SILENT))
    await until(lambda: sent)
    monkeypatch.setattr(Child, "listens", False)  # before its output's end is seen
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert engine._worker is not None
    assert {} == engine._worker._queues


async def test_aclose_leaves_no_process(make_engine: MakeEngine, log: Path) -> None:
    """Closing ends the worker by closing its input; twice is fine; nothing is served after."""
    engine = make_engine()
    await run(engine)
    await engine.aclose()
    await engine.aclose()
    assert (None, False) == (engine.worker_pid, is_running(starts(log)[0]))
    assert "end" == notes(log)[-1]
    with pytest.raises(EngineDeadError, match="closed"):
        await run(engine)


async def test_aclose_kills_a_stubborn_worker(make_engine: MakeEngine, log: Path) -> None:
    """A worker that ignores the end of its input is killed; its request fails."""
    engine = make_engine()
    task = asyncio.create_task(run(engine, SURVIVE))
    await until(lambda: "survive" in notes(log))
    await asyncio.wait_for(engine.aclose(), HANG_S)
    with pytest.raises(EngineDeadError):
        await task
    assert not is_running(starts(log)[0])


async def test_aclose_during_a_restart(make_engine: MakeEngine, log: Path) -> None:
    """Closing while a worker starts ends it too, and fails the requests that wait for it."""
    engine = make_engine("silent")
    task = asyncio.create_task(run(engine))
    await until(lambda: starts(log))
    await asyncio.wait_for(engine.aclose(), HANG_S)
    with pytest.raises(EngineDeadError):
        await task
    assert not any(map(is_running, starts(log)))


@pytest.fixture
def fake_python(tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch) -> FakePython:
    """Make ``load`` start the fake worker; returns the model's folder."""

    def install(start: str) -> Path:
        script = tmp_path / "fake_python"
        arguments = f"log, start = {str(log)!r}, {start!r}"
        body = FAKE_WORKER.replace("*_, log, start = sys.argv", arguments)
        script.write_text(f"#!{sys.executable} -S\n{body}")
        script.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(script))
        folder = tmp_path / "model"
        folder.mkdir()
        description = json.loads(TOKENIZER._tokenizer.to_str())
        (folder / "tokenizer.json").write_text(json.dumps(description))
        return folder

    return install


async def test_load(fake_python: FakePython) -> None:
    """A loaded engine has its worker running already."""
    engine = await OpenVinoEngine.load(fake_python(""), model="fake", describe=lambda _: MANIFEST)
    assert engine.worker_pid is not None
    assert "abc" == text(await run(engine))
    await engine.aclose()


async def test_load_that_dies(fake_python: FakePython, log: Path) -> None:
    """A worker that can't load fails the load, with its code and what it printed last."""
    folder = fake_python("die")
    with pytest.raises(EngineDeadError, match=r"code 3: .*no such model"):
        await OpenVinoEngine.load(folder, model="fake", describe=lambda _: MANIFEST)
    assert not any(map(is_running, starts(log)))


async def test_load_that_is_refused(fake_python: FakePython, log: Path) -> None:
    """A manifest that doesn't fit ends the worker before the error is seen."""
    folder = fake_python("held")

    def refuse(_: Tokenizer) -> Manifest:
        while not starts(log):  # in a thread; the worker is up then
            time.sleep(0.01)
        raise AdapterMismatchError("another base")

    with pytest.raises(AdapterMismatchError):
        await OpenVinoEngine.load(folder, model="fake", describe=refuse)
    assert not any(map(is_running, starts(log)))


async def test_load_that_is_cancelled(fake_python: FakePython, log: Path) -> None:
    """A cancelled load leaves no process."""
    folder = fake_python("silent")
    task = asyncio.create_task(
        OpenVinoEngine.load(folder, model="fake", describe=lambda _: MANIFEST)
    )
    await until(lambda: starts(log))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not any(map(is_running, starts(log)))
