"""Keystrokes in a row: which of them the engine is asked for, and what each is shown."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Collection
from typing import Any

import pytest

from fimls.completer import Completer
from fimls.completer.explanation import AnsweredBy
from fimls.config import Settings
from fimls.context import Selection, SelectionState
from fimls.engines.scripted import Rule
from fimls.types import (
    CancelToken,
    CompletionResult,
    Delta,
    EngineDeadError,
    EngineError,
    Mode,
    Prompt,
    SamplingParams,
    Snippet,
    Suppressed,
)
from tests.clocks import VirtualTime
from tests.completer_doubles import SLOW, WatchedEngine, cursor, document, until

pytestmark = pytest.mark.usefixtures("clock")


def texts(result: CompletionResult) -> list[str]:
    """What was shown."""
    return [completion.text for completion in result.completions]


def by(completer: Completer) -> list[AnsweredBy]:
    """What each request was answered from."""
    return [explanation.answered_by for explanation in completer.explanations]


async def type_along(completer: Completer, *codes: str, **fields: str) -> list[list[str]]:
    """Ask at the cursor of each code in turn."""
    return [texts(await completer.complete(*cursor(code, **fields))) for code in codes]


async def test_typing_along_needs_no_engine() -> None:
    """Somebody who types what is shown sees the rest of it, from what was generated once."""
    engine = WatchedEngine(Rule("x = ", ("first(second)\n",)))
    completer = Completer(engine, Settings())
    shown = await type_along(completer, "x = ¦\n", "x = f¦\n", "x = firs¦\n", "x = first(secon¦\n")
    assert [["first(second)"], ["irst(second)"], ["t(second)"], ["d)"]] == shown
    assert [AnsweredBy.ENGINE, *[AnsweredBy.CACHE] * 3] == by(completer)
    assert 1 == len(engine.asked)


async def test_going_back_needs_no_engine() -> None:
    """Deleting what was typed shows again what was shown there."""
    engine = WatchedEngine(Rule("x = ", ("first",)), Rule("x = q", ("uick",)))
    completer = Completer(engine, Settings())
    shown = await type_along(completer, "x = ¦\n", "x = q¦\n", "x = ¦\n")
    assert [["first"], ["uick"], ["first"]] == shown
    assert [AnsweredBy.ENGINE, AnsweredBy.ENGINE, AnsweredBy.CACHE] == by(completer)


async def test_a_closed_pair_needs_no_engine() -> None:
    """The bracket that an editor inserts after the cursor neither costs a request nor doubles."""
    engine = WatchedEngine(Rule("x = ", ("first(second)\n",)))
    completer = Completer(engine, Settings())
    shown = await type_along(completer, "x = ¦\n", "x = first(¦)\n", "x = first(second)¦\n")
    assert [["first(second)"], ["second"], []] == shown
    assert 1 == len(engine.asked)


async def test_the_next_line_is_there_before_it_is_asked_for() -> None:
    """While a line is shown the engine goes on to the next, which then needs no request."""
    engine = WatchedEngine(Rule("x = ", ("first\ny = second\nz = third\n",)))
    completer = Completer(engine, Settings())
    assert [["first"]] == await type_along(completer, "x = ¦\n")
    await until(lambda: not engine.running)
    assert [[], ["y = second"]] == await type_along(completer, "x = first¦\n", "x = first\n¦\n")
    assert 1 == len(engine.asked)


async def test_a_new_block_is_asked_for_anew() -> None:
    """Behind a line that opens a block several lines are wanted, not the rest of an old answer."""
    engine = WatchedEngine(Rule("if ", ("a:\n    b()\n",)), Rule("    ", ("c()\n    d()\n",)))
    completer = Completer(engine, Settings())
    shown = await type_along(completer, "if ¦\n", "if a:\n    ¦\n")
    assert [["a:"], ["c()\n    d()"]] == shown
    assert [Mode.SINGLE, Mode.MULTI] == [one.mode for one in completer.explanations]


async def test_edits_elsewhere_change_nothing() -> None:
    """What was generated stays usable when text far away changes and everything moves."""
    engine = WatchedEngine(Rule("x = ", ("first",)))
    completer = Completer(engine, Settings())
    far = "".join(f"# line {number}\n" for number in range(400))
    shown = await type_along(
        completer, f"a\n{far}x = ¦\n{far}b\n", f"longer\n{far}x = f¦\n{far}other\n"
    )
    assert [["first"], ["irst"]] == shown
    assert 1 == len(engine.asked)


@pytest.mark.parametrize("code", ["y = 1\nx = f¦\n", "x = f¦\ny = 1\n", "x = g¦\n"])
async def test_edits_nearby_ask_anew(code: str) -> None:
    """Other text before the cursor, after it, or typed is another question."""
    engine = WatchedEngine(Rule("x = ", ("first",)), Rule("x = f", ("un",)), Rule("", ("get",)))
    completer = Completer(engine, Settings())
    await type_along(completer, "x = ¦\n", code)
    assert 2 == len(engine.asked)


async def test_documents_share_nothing() -> None:
    """The same text in another document is another question."""
    engine = WatchedEngine(Rule("x = ", ("first",)))
    completer = Completer(engine, Settings())
    await completer.complete(*cursor("x = ¦\n", uri="file:///a.py"))
    await completer.complete(*cursor("x = ¦\n", uri="file:///b.py"))
    assert 2 == len(engine.asked)


async def test_typing_along_joins_the_generation_under_way() -> None:
    """A keystroke that agrees with what is being written waits for it instead of starting again."""
    engine = WatchedEngine(SLOW)
    completer = Completer(engine, Settings())
    first = asyncio.create_task(completer.complete(*cursor("slow = ¦\n")))
    await until(lambda: len(engine.given) >= 3)
    second = await completer.complete(*cursor("slow = ab¦\n"))
    assert Suppressed.SUPERSEDED == (await first).suppressed
    assert ["cdefghijklmnopqrstuvwxyz"] == texts(second)
    assert [AnsweredBy.ENGINE, AnsweredBy.FLIGHT] == [
        explanation.answered_by
        for explanation in sorted(completer.explanations, key=lambda one: one.id)
    ]
    assert 1 == len(engine.asked)


async def test_cancelled_by_the_editor_and_joined() -> None:
    """Editors cancel a request just before its successor, which still finds its generation."""
    engine = WatchedEngine(SLOW)
    completer = Completer(engine, Settings())
    first = asyncio.create_task(completer.complete(*cursor("slow = ¦\n")))
    await until(lambda: engine.given)
    first.cancel()
    await asyncio.wait([first])
    assert ["bcdefghijklmnopqrstuvwxyz"] == texts(await completer.complete(*cursor("slow = a¦\n")))
    assert 1 == len(engine.asked)


async def test_divergence_asks_anew_at_once(clock: VirtualTime) -> None:
    """What was typed differs from what is being written: that is given up, not waited for."""
    engine = WatchedEngine(SLOW, Rule("slow = q", ("uick",)))
    completer = Completer(engine, Settings())
    first = asyncio.create_task(completer.complete(*cursor("slow = ¦\n")))
    await until(lambda: engine.given)
    began = clock.ms
    assert ["uick"] == texts(await completer.complete(*cursor("slow = q¦\n")))
    assert clock.ms - began < 1
    assert 0 == engine.running
    assert Suppressed.SUPERSEDED == (await first).suppressed


async def test_divergence_that_shows_later() -> None:
    """A keystroke may come before the text that contradicts it."""
    engine = WatchedEngine(SLOW, Rule("slow = abq", ("uick",)))
    completer = Completer(engine, Settings())
    first = asyncio.create_task(completer.complete(*cursor("slow = ¦\n")))
    await until(lambda: engine.given)
    assert ["uick"] == texts(await completer.complete(*cursor("slow = abq¦\n")))
    await first


async def test_answers_in_time_with_what_is_finished() -> None:
    """When time is up, finished lines are shown; the generation goes on for the next keystroke."""
    engine = WatchedEngine(Rule("    ", ("a()\n    b()\n    cdefghijklmnop()\n",), delay_ms=20))
    completer = Completer(engine, Settings(answer_ms=400))
    result = await completer.complete(*cursor("def f():\n    ¦\n"))
    assert texts(result)[0] in {"a()", "a()\n    b()"}
    assert 1 == engine.running
    completer.forget("file:///a.py")


async def test_late_is_better_than_nothing(clock: VirtualTime) -> None:
    """An engine too slow to have finished anything in time is waited for while nobody types."""
    engine = WatchedEngine(Rule("x = ", ("1",), delay_ms=200))
    completer = Completer(engine, Settings(answer_ms=50))
    began = clock.ms
    assert ["1"] == texts(await completer.complete(*cursor("x = ¦\n")))
    assert 200 == pytest.approx(clock.ms - began, abs=1)
    assert 1 == len(engine.asked)


async def test_a_slow_machine_leaves_the_time_limit_as_it_is(clock: VirtualTime) -> None:
    """The limit is counted from the request by the clock that it is compared with."""
    completer = Completer(WatchedEngine(Rule("x = ", ("1",))), Settings())
    began = clock.ms
    await completer.complete(*cursor("x = ¦\n"))
    assert began <= 1000 * completer.explanations[0].began <= clock.ms


async def test_late_lines_come_one_by_one() -> None:
    """The first line that is finished after the time is up is shown, not the last."""
    engine = WatchedEngine(Rule("    ", ("first()\n    second()\n    third()\n",), delay_ms=20))
    completer = Completer(engine, Settings(answer_ms=10))
    assert ["first()"] == texts(await completer.complete(*cursor("def f():\n    ¦\n")))
    assert 1 == engine.running
    completer.forget("file:///a.py")


async def test_typing_on_ends_the_wait() -> None:
    """A request that waits beyond its time is superseded like any other."""
    engine = WatchedEngine(Rule("x = ", ("1",), delay_ms=5000), Rule("y = ", ("2",)))
    completer = Completer(engine, Settings(answer_ms=20))
    late = asyncio.create_task(completer.complete(*cursor("x = ¦\n")))
    await asyncio.sleep(0.1)
    assert ["2"] == texts(await completer.complete(*cursor("y = ¦\n")))
    assert Suppressed.SUPERSEDED == (await late).suppressed


async def test_an_engine_that_dies_while_it_writes() -> None:
    """What an engine wrote before it died is not shown; the person is told."""

    class DyingEngine(WatchedEngine):
        async def generate(
            self, prompt: Prompt, sampling: SamplingParams, cancel: CancelToken
        ) -> AsyncGenerator[Delta, None]:
            del prompt, sampling, cancel
            yield Delta(0, (97,), "half", (-0.01,))
            raise EngineDeadError("died")

    completer = Completer(DyingEngine(), Settings())
    with pytest.raises(EngineDeadError, match="died"):
        await completer.complete(*cursor("x = ¦\n"))
    assert "died" == completer.explanations[-1].suppressed
    assert () == completer.explanations[-1].shown


async def test_a_failure_that_nobody_waited_for_is_told() -> None:
    """An engine that fails after its keystroke was answered is reported at the next one."""

    class LateFailure(WatchedEngine):
        async def generate(
            self, prompt: Prompt, sampling: SamplingParams, cancel: CancelToken
        ) -> AsyncGenerator[Delta, None]:
            del prompt, sampling, cancel
            text = "a()\n    b"
            yield Delta(0, tuple(text.encode()), text, (-0.01,) * len(text))
            await asyncio.sleep(0.1)
            raise EngineError("late")

    completer = Completer(LateFailure(), Settings(answer_ms=20))
    first = await completer.complete(*cursor("def f():\n    ¦\n"))
    assert ["a()"] == texts(first)
    await asyncio.sleep(0.15)
    with pytest.raises(EngineError, match="late"):
        await completer.complete(*cursor("def f():\n    ¦\n"))
    assert ["a()"] == texts(await completer.complete(*cursor("def f():\n    ¦\n")))


async def test_unlikely_text_is_not_shown_unasked() -> None:
    """What the model itself doubts is shown to those who ask for it only."""
    engine = WatchedEngine(Rule("x = ", ("guess",), logprob=-3.0))
    completer = Completer(engine, Settings())
    assert ((), Suppressed.UNLIKELY) == (
        (result := await completer.complete(*cursor("x = ¦\n"))).completions,
        result.suppressed,
    )
    assert ["guess"] == texts(await completer.complete(*cursor("x = ¦\n"), invoked=True))


def test_a_reason_reads_as_its_value() -> None:
    """In JSON, in a message and in a log, a reason is the words that people know."""
    reason = Suppressed.LATE
    said = [str(reason), f"{reason}", "%s" % reason, json.loads(json.dumps(reason))]  # noqa: UP031
    assert ["nothing finished in time"] * 4 == said


async def test_unlikely_end_is_cut_without_waiting() -> None:
    """The likely start of a line is shown while its unlikely end is still being written."""
    engine = WatchedEngine(Rule("x = ", ("likely unlikely",), logprob=-0.15, delay_ms=10))
    completer = Completer(engine, Settings(min_likelihood=0.3, show_above=0))
    assert ["likely"] == texts(await completer.complete(*cursor("x = ¦\n")))


async def test_the_middle_of_a_line_is_left_alone() -> None:
    """Unasked, nothing is shown before code; the engine isn't asked either."""
    engine = WatchedEngine(Rule("x = ", ("1",)))
    completer = Completer(engine, Settings())
    result = await completer.complete(*cursor("x = ¦value + 1\n"))
    assert ((), []) == (result.completions, engine.asked)
    assert result.suppressed
    assert ["1"] == texts(await completer.complete(*cursor("x = ¦value + 1\n"), invoked=True))


async def test_errors_reach_who_waits_and_are_explained() -> None:
    """An engine that fails says so at this request; the next asks again."""
    engine = WatchedEngine(Rule("bad = ", fail="raise"))
    completer = Completer(engine, Settings())
    for _ in range(2):
        with pytest.raises(EngineError):
            await completer.complete(*cursor("bad = ¦\n"))
    assert ["the script says: fail"] * 2 == [one.suppressed for one in completer.explanations]
    assert 2 == len(engine.asked)


async def test_closing_a_document_gives_its_generation_up() -> None:
    """Nothing is generated for a document that isn't open any more, nor shown when it opens."""
    engine = WatchedEngine(SLOW, Rule("x = ", ("1",)))
    completer = Completer(engine, Settings())
    task = asyncio.create_task(completer.complete(*cursor("slow = ¦\n")))
    await until(lambda: engine.given)
    completer.forget("file:///a.py")
    assert Suppressed.SUPERSEDED == (await task).suppressed
    assert 0 == engine.running
    await type_along(completer, "x = ¦\n")
    completer.forget("file:///a.py")
    await type_along(completer, "x = ¦\n")
    assert 3 == len(engine.asked)


class Context:
    """A context source with one snippet."""

    def __init__(self, excluded: str | None = None) -> None:
        self.asked = 0
        self.state = SelectionState.NEW
        self._excluded = excluded

    async def select(self, *_: object, **__: object) -> Selection:
        """The same snippet each time."""
        self.asked += 1
        snippet = Snippet("other.py", "def helper(): ...\n", 1.0, "imports")
        return Selection((snippet,), (), self.state, 1.0)

    def known(self, names: Collection[str]) -> frozenset[str]:
        """All of them."""
        return frozenset(names)

    def exclusion(self, uri: str) -> str | None:
        """As it was told."""
        del uri
        return self._excluded


async def test_snippets_are_in_the_prompt_and_explained() -> None:
    """What the context source selects is sent, and only when something is sent."""
    engine, context = WatchedEngine(Rule("x = ", ("first",))), Context()
    completer = Completer(engine, Settings(), context=context)
    result = await completer.complete(*cursor("x = ¦\n"))
    await completer.complete(*cursor("x = fi¦\n"))
    assert result.prompt is not None
    assert "def helper(): ..." in engine.tokenizer.decode(result.prompt.token_ids)
    assert 1 == context.asked
    explained: dict[str, Any] = completer.explanations[0].as_json()
    assert ("new", "other.py") == (explained["context_state"], explained["snippets"][0]["path"])


async def test_explained_is_what_was_kept(
    clock: VirtualTime, caplog: pytest.LogCaptureFixture
) -> None:
    """The explanation and the log tell which flight answered, from where, how old, and what its
    prompt kept of the one before.
    """
    caplog.set_level(logging.DEBUG, "fimls.completer")
    context = Context()
    completer = Completer(WatchedEngine(Rule("", ("first(a)",))), Settings(), context=context)
    await completer.complete(*cursor("x = ¦\n\nprint(x)\n"))
    context.state = SelectionState.FROZEN
    await completer.complete(*cursor("x = g(¦)\n\nprint(x)\n"))
    began = clock.ms
    await asyncio.sleep(1)
    await completer.complete(*cursor("x = g(fi¦)\n\nprint(x)\n"))
    kept = {"kept_suffix": True, "frozen_snippets": True}
    explained: list[Any] = [one.as_json()["flight"] for one in completer.explanations]
    ages = [flight.pop("age_ms") for flight in explained]
    assert [
        {"id": 1, "offset": 4, "landed": True, "kept_suffix": False, "frozen_snippets": False},
        {"id": 2, "offset": 6, "landed": True, **kept},
        {"id": 2, "offset": 6, "landed": True, **kept},
    ] == explained
    assert clock.ms - began == pytest.approx(ages[2] - ages[1], abs=1)
    line = caplog.messages[-1]
    assert "answered by cache; flight 2 from offset 6, " in line
    assert " ms old, landed; suffix kept; snippets frozen; " in line
    assert "first" not in line


async def test_context_can_be_switched_off() -> None:
    """Without context no source is asked."""
    context = Context()
    completer = Completer(WatchedEngine(), Settings(context=False), context=context)
    await completer.complete(*cursor("x = ¦\n"))
    assert 0 == context.asked


async def test_an_excluded_document_is_never_sent() -> None:
    """A secrets file doesn't reach the engine, not even when somebody asks."""
    engine = WatchedEngine(Rule("x = ", ("1",)))
    completer = Completer(engine, Settings(), context=Context("secret file"))
    result = await completer.complete(*cursor("x = ¦\n"), invoked=True)
    assert ("secret file", []) == (result.suppressed, engine.asked)


async def test_explanations_without_code() -> None:
    """What may be written to disk holds neither the document's text nor the completion's."""
    completer = Completer(WatchedEngine(Rule("zyx = ", ("qwerty",))), Settings())
    await completer.complete(document("zyx = "), 6)
    without = str(completer.explanations[0].as_json(code=False))
    assert "qwerty" not in without
    assert "zyx" not in without
    assert "qwerty" in str(completer.explanations[0].as_json())
