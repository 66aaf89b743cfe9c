"""The pipeline, on the scripted engine: who is served, who is cancelled, what is shown."""

from __future__ import annotations

import asyncio
import dataclasses
import math
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from fimls.completer import Completer, context_at, flight, pipeline
from fimls.config import Settings
from fimls.engines.scripted import Rule, ScriptedEngine
from fimls.types import (
    CancelToken,
    Delta,
    EngineDeadError,
    EngineError,
    FinishReason,
    Mode,
    Prompt,
    PromptError,
    SamplingParams,
    Suppressed,
)
from tests.clocks import VirtualTime
from tests.completer_doubles import SLOW, SLOW_MS, DeafEngine, WatchedEngine, cursor, until

pytestmark = pytest.mark.usefixtures("clock")


async def test_completes_at_the_offset() -> None:
    """The completion replaces nothing and is at the cursor."""
    engine = WatchedEngine(Rule("return ", ("a + b",)))
    source, offset = cursor("def add(a, b):\n    return ¦\n")
    result = await Completer(engine, Settings()).complete(source, offset)
    [completion] = result.completions
    assert ("a + b", offset, offset) == (completion.text, completion.start, completion.end)
    assert None is result.suppressed
    assert FinishReason.STOP == result.finish_reason
    assert result.prompt is not None
    assert len(result.prompt.token_ids) == result.usage.prompt_tokens


async def test_completion_ids_differ() -> None:
    """Every completion has an id of its own, so that accepting one names it."""
    completer = Completer(ScriptedEngine([Rule("= ", ("1",))]), Settings())
    first = await completer.complete(*cursor("x = ¦"))
    second = await completer.complete(*cursor("y = ¦"))
    assert first.completions[0].id != second.completions[0].id


async def test_latest_wins() -> None:
    """A second call for a document ends the first, which then shows nothing."""
    engine = WatchedEngine(SLOW, Rule("fast = ", ("1",)))
    completer = Completer(engine, Settings())
    first = asyncio.create_task(completer.complete(*cursor("slow = ¦")))
    await until(lambda: engine.given)
    second = await completer.complete(*cursor("fast = ¦"))
    superseded = await first
    assert ["1"] == [completion.text for completion in second.completions]
    assert ((), Suppressed.SUPERSEDED) == (superseded.completions, superseded.suppressed)
    assert FinishReason.CANCEL == superseded.finish_reason
    assert 0 == engine.running


async def test_latest_wins_over_a_deaf_engine() -> None:
    """A superseded call shows nothing even if its engine went on to the end."""
    engine = DeafEngine(Rule("slow = ", ("123",), delay_ms=SLOW_MS), Rule("fast = ", ("1",)))
    completer = Completer(engine, Settings())
    first = asyncio.create_task(completer.complete(*cursor("slow = ¦")))
    await until(lambda: engine.given)
    await completer.complete(*cursor("fast = ¦"))
    superseded = await first
    assert ((), Suppressed.SUPERSEDED) == (superseded.completions, superseded.suppressed)


async def test_a_switched_off_call_supersedes_too() -> None:
    """An edit that asks for nothing still ends what was asked before it."""
    engine = WatchedEngine(SLOW)
    completer = Completer(engine, Settings(exclude=("secret.py",)))
    first = asyncio.create_task(completer.complete(*cursor("slow = ¦"), path="a.py"))
    await until(lambda: engine.given)
    await completer.complete(*cursor("slow = ¦"), path="secret.py")
    assert Suppressed.SUPERSEDED == (await first).suppressed


async def test_documents_do_not_cancel_each_other() -> None:
    """Calls for different documents run side by side."""
    engine = WatchedEngine(Rule("= ", ("value",), delay_ms=2))
    completer = Completer(engine, Settings())
    results = await asyncio.gather(
        *(completer.complete(*cursor("x = ¦", uri=f"file:///{name}")) for name in "abc")
    )
    assert ["value"] * 3 == [result.completions[0].text for result in results]


async def test_cancelled_task_frees_the_engine() -> None:
    """Once nobody waits for it, and no successor has come, a generation is given up."""
    engine = WatchedEngine(SLOW)
    task = asyncio.create_task(Completer(engine, Settings()).complete(*cursor("slow = ¦")))
    await until(lambda: engine.given)
    assert 1 == engine.running
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert 1 == engine.running
    await until(lambda: not engine.running)


@pytest.mark.parametrize("turns", range(6))
async def test_cancellation_that_comes_with_a_delta(turns: int) -> None:
    """A cancellation isn't lost in the moment in which a delta arrives, whichever turn it is."""
    go = asyncio.Event()

    class WaitingEngine(WatchedEngine):
        async def generate(
            self, prompt: Prompt, sampling: SamplingParams, cancel: CancelToken
        ) -> AsyncGenerator[Delta, None]:
            del prompt, sampling, cancel
            await go.wait()
            yield Delta(token_ids=(97,), text="a")
            await asyncio.sleep(5)

    task = asyncio.create_task(Completer(WaitingEngine(), Settings()).complete(*cursor("x = ¦")))
    await asyncio.sleep(0.01)
    go.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait_for(asyncio.wait([task]), 2)
    assert task.cancelled()


async def test_cancelled_task_leaves_nothing_behind() -> None:
    """After a cancelled call the next one for the same document is served."""
    engine = WatchedEngine(Rule("hung = ", fail="hang"), Rule("x = ", ("1",)))
    completer = Completer(engine, Settings())
    task = asyncio.create_task(completer.complete(*cursor("hung = ¦")))
    await until(lambda: engine.running)
    task.cancel()
    await asyncio.wait([task])
    result = await completer.complete(*cursor("x = ¦"))
    assert ["1"] == [completion.text for completion in result.completions]


async def test_aclose_ends_what_is_under_way() -> None:
    """Closing cancels the calls under way, which return, and closes the engine."""
    engine = WatchedEngine(SLOW)
    completer = Completer(engine, Settings())
    task = asyncio.create_task(completer.complete(*cursor("slow = ¦")))
    await until(lambda: engine.given)
    await completer.aclose()
    assert Suppressed.SUPERSEDED == (await task).suppressed
    with pytest.raises(EngineDeadError):
        await completer.complete(*cursor("slow = ¦"))


async def test_deadline_shows_what_there_is(clock: VirtualTime) -> None:
    """At the deadline the generation ends with what it has, which is shown."""
    engine = WatchedEngine(SLOW)
    began = clock.ms
    result = await Completer(engine, Settings(deadline_ms=150)).complete(*cursor("slow = ¦"))
    assert 150 <= clock.ms - began < 150 + SLOW_MS
    assert FinishReason.DEADLINE == result.finish_reason
    assert "abcdefg" == result.completions[0].text


async def test_no_deadline() -> None:
    """A deadline of 0 ms is none."""
    engine = WatchedEngine(Rule("x = ", ("1",)))
    await Completer(engine, Settings(deadline_ms=0)).complete(*cursor("x = ¦"))
    assert [None] == [sampling.deadline_ms for sampling in engine.asked]


async def test_hung_engine_is_given_up(clock: VirtualTime) -> None:
    """An engine that keeps no deadline fails the call after the grace, and is freed."""
    engine = WatchedEngine(Rule("hung = ", fail="hang"))
    completer = Completer(engine, Settings(deadline_ms=50))
    began = clock.ms
    with pytest.raises(EngineError, match="did not answer") as caught:
        await completer.complete(*cursor("hung = ¦"))
    assert 50 + 1000 * flight._GRACE_S == pytest.approx(clock.ms - began, abs=1)
    assert "deadline_ms" in caught.value.hint
    assert 0 == engine.running


async def test_engine_error_passes() -> None:
    """An error at one request reaches its caller; the next request is served."""
    engine = WatchedEngine(Rule("bad = ", fail="raise"), Rule("x = ", ("1",)))
    completer = Completer(engine, Settings())
    with pytest.raises(EngineError, match="fail"):
        await completer.complete(*cursor("bad = ¦"))
    assert (await completer.complete(*cursor("x = ¦"))).completions


async def test_dead_engine_passes() -> None:
    """A dead engine is reported as dead, at this request and the next."""
    completer = Completer(ScriptedEngine([Rule("bad = ", fail="die")]), Settings())
    for code in ("bad = ¦", "x = ¦"):
        with pytest.raises(EngineDeadError):
            await completer.complete(*cursor(code))


async def test_an_internal_error_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any error is why nothing was shown; one of no known kind is named without its text."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("x = ")

    monkeypatch.setattr(pipeline, "context_at", fail)
    completer = Completer(ScriptedEngine([]), Settings())
    with pytest.raises(RuntimeError):
        await completer.complete(*cursor("x = ¦"))
    assert "internal error: RuntimeError" == completer.explanations[-1].suppressed


@pytest.mark.parametrize(
    ("code", "language_id", "multiline", "expected"),
    [
        ("def f(a):\n    ¦\n", "python", "auto", Mode.MULTI),
        ("def f(a):\n    return ¦\n", "python", "auto", Mode.SINGLE),
        ("def f(a):\n    ¦\n", "python", "never", Mode.SINGLE),
        ("x = ¦\n", "python", "always", Mode.MULTI),
        ("function f() {\n  ¦\n}\n", "javascript", "auto", Mode.MULTI),
        ("function f() {\n  return ¦\n}\n", "javascript", "auto", Mode.SINGLE),
        ("BEGIN\n  ¦\nEND\n", "cobol", "auto", Mode.SINGLE),
    ],
)
def test_mode(code: str, language_id: str, multiline: Any, expected: Mode) -> None:
    """The syntax at the cursor decides how much to complete, unless the settings do."""
    source, offset = cursor(code, language_id=language_id)
    assert expected == context_at(source, offset, Settings(multiline=multiline)).mode


def test_asked_mode_wins() -> None:
    """A mode that the caller names is taken whatever the settings and the syntax say."""
    source, offset = cursor("x = ¦\n")
    context = context_at(source, offset, Settings(multiline="never"), mode=Mode.MULTI)
    assert Mode.MULTI == context.mode


def test_context_holds_the_whole_text() -> None:
    """Prefix and suffix join to the document; offsets are code points, whatever the script."""
    source, offset = cursor("s = '🙂'\r\nt = ¦\r\n# é\n")
    context = context_at(source, offset, Settings(), path="a/b.py")
    assert source.text == context.prefix + context.suffix
    assert ("a/b.py", "python") == (context.path, context.language_id)
    assert context.prefix.endswith("t = ")


async def test_tokens_by_mode() -> None:
    """Each mode has its own limit of generated tokens."""
    engine = WatchedEngine(Rule("", ("1",)))
    completer = Completer(engine, Settings(max_tokens_single=7, max_tokens_multi=70, ahead=False))
    for mode in (Mode.SINGLE, Mode.MULTI):
        await completer.complete(*cursor("x = ¦"), mode=mode)
    assert [7, 70] == [sampling.max_tokens for sampling in engine.asked]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Settings(automatic=False), "on demand only"),
        (Settings(languages_off=("rust", "python")), "switched off for python"),
        (Settings(exclude=("*.lock", "secrets/*")), "path excluded"),
    ],
)
async def test_switched_off(settings: Settings, expected: str) -> None:
    """What is switched off is not asked of the engine, and the reason is given."""
    engine = WatchedEngine(Rule("x = ", ("1",)))
    completer = Completer(engine, settings)
    result = await completer.complete(*cursor("x = ¦"), path="secrets/keys.py")
    assert ((), expected, []) == (result.completions, result.suppressed, engine.asked)
    invoked = await completer.complete(*cursor("x = ¦"), path="secrets/keys.py", invoked=True)
    assert ["1"] == [completion.text for completion in invoked.completions]


async def test_candidates_are_distinct() -> None:
    """Equal candidates are shown once, in the engine's order."""
    rule = Rule("x = ", ("1", "2  ", "1\ny", "2"))
    completer = Completer(ScriptedEngine([rule]), Settings())
    result = await completer.complete(*cursor("x = ¦"), candidates=4)
    assert ["1", "2"] == [completion.text for completion in result.completions]


async def test_empty_candidates_are_left_out() -> None:
    """One candidate without text doesn't hide the others."""
    completer = Completer(ScriptedEngine([Rule("x = ", ("", "2"))]), Settings())
    result = await completer.complete(*cursor("x = ¦"), candidates=3)
    assert (["2"], None) == ([one.text for one in result.completions], result.suppressed)


async def test_candidates_are_limited_by_the_engine() -> None:
    """No engine is asked for more candidates than it declares."""
    engine = WatchedEngine(Rule("x = ", ("1",)))
    await Completer(engine, Settings()).complete(*cursor("x = ¦"), candidates=99)
    assert [engine.capabilities.candidates] == [sampling.candidates for sampling in engine.asked]


@pytest.mark.parametrize("candidates", [1, 3])
async def test_empty_has_a_reason(candidates: int) -> None:
    """No text from the model means no completion, and says so, however many were asked for."""
    completer = Completer(ScriptedEngine(), Settings())
    result = await completer.complete(*cursor("x = ¦"), candidates=candidates, invoked=True)
    assert ((), "empty") == (result.completions, result.suppressed)


async def test_confidence() -> None:
    """Confidence is the mean token probability that the engine reported."""
    completer = Completer(ScriptedEngine([Rule("x = ", ("12",))]), Settings())
    result = await completer.complete(*cursor("x = ¦"))
    assert math.exp(-0.001) == pytest.approx(result.completions[0].confidence)


async def test_stops_at_the_end_of_the_line() -> None:
    """In single-line mode nothing is generated beyond the first line's end."""
    engine = WatchedEngine(Rule("x = ", ("1\n" + "y = 2\n" * 20,)))
    result = await Completer(engine, Settings(ahead=False)).complete(*cursor("x = ¦"))
    assert "1\n" == "".join(delta.text for delta in engine.given)
    assert (["1"], FinishReason.STOP) == (
        [completion.text for completion in result.completions],
        result.finish_reason,
    )


async def test_stops_at_the_end_of_the_block() -> None:
    """In multi-line mode nothing is generated beyond the line that leaves the block."""
    engine = WatchedEngine(Rule("    ", ("a()\n    b()\nclass A:\n    pass\n" * 9,)))
    result = await Completer(engine, Settings()).complete(*cursor("def f():\n    ¦\n"))
    assert "a()\n    b()\nc" == "".join(delta.text for delta in engine.given)
    assert ["a()\n    b()"] == [completion.text for completion in result.completions]


async def test_waits_for_every_candidate() -> None:
    """A candidate that is complete doesn't end the others."""
    engine = WatchedEngine(Rule("x = ", ("1\n2", "one + two + three")))
    result = await Completer(engine, Settings()).complete(*cursor("x = ¦"), candidates=2)
    assert ["1", "one + two + three"] == [completion.text for completion in result.completions]


async def test_usage_counts_reuse() -> None:
    """A second call after a typed character reuses all but what the character changed."""
    completer = Completer(ScriptedEngine([Rule("", ("1",))]), Settings())
    code = "".join(f"x{index} = {index}\n" for index in range(30))
    first = await completer.complete(*cursor(code + "y = ¦\n"))
    second = await completer.complete(*cursor(code + "y = a¦\n"))
    assert 0 == first.usage.reused_tokens
    assert second.usage.reused_tokens is not None
    assert second.usage.reused_tokens >= 0.9 * second.usage.prompt_tokens
    assert second.usage.total_ms > 0


async def test_healed_text_is_not_shown_again() -> None:
    """Inside a word the prompt is cut back, and the completion continues the word."""
    completer = Completer(ScriptedEngine([Rule("retu", ("rn 1",))]), Settings())
    result = await completer.complete(*cursor("retu¦"))
    assert result.prompt is not None
    assert "retu" == result.prompt.healing
    assert ["rn 1"] == [completion.text for completion in result.completions]


def test_configure_takes_new_settings() -> None:
    """Other settings change the prompts to come, not the engine."""
    completer = Completer(ScriptedEngine(), Settings())
    engine = completer.engine
    completer.configure(Settings(prefix_tokens=16, healing=False))
    assert engine is completer.engine
    assert (16, False) == (completer.builder.budget.prefix_tokens, completer.builder.healing)


@pytest.mark.parametrize(
    ("name", "order"), [("deepseek-coder", "spm"), ("codestral", "psm"), ("mellum", "psm")]
)
def test_order_that_the_format_lacks(name: str, order: Any) -> None:
    """Settings that the engine's format can't serve are refused when they are set."""
    engine = ScriptedEngine()
    engine.manifest = dataclasses.replace(engine.manifest, format=name)
    with pytest.raises(PromptError, match=f"{order} order") as caught:
        Completer(engine, Settings(order=order))
    assert "order = " in caught.value.hint
