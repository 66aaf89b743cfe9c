"""The engine without weights: its rules, its failures, and the protocol that it keeps."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from fimls.engines import scripted
from fimls.engines.scripted import Rule, ScriptedEngine, read_script
from fimls.fim import FORMATS, PromptBuilder, build_prompt
from fimls.types import (
    CancelToken,
    CompletionContext,
    ConfigError,
    Delta,
    EngineDeadError,
    EngineError,
    FinishReason,
    Prompt,
    SamplingParams,
)
from tests.clocks import HANG_S, until


def prompt_for(engine: ScriptedEngine, prefix: str, suffix: str = "") -> Prompt:
    """Build the prompt that the engine gets for a cursor between two texts."""
    builder = PromptBuilder(FORMATS[engine.manifest.format], engine.tokenizer)
    return build_prompt(CompletionContext(prefix, suffix), builder)


async def run(
    engine: ScriptedEngine,
    prefix: str,
    sampling: SamplingParams | None = None,
    cancel: CancelToken | None = None,
) -> list[Delta]:
    """Generate after ``prefix`` to the end."""
    deltas = engine.generate(
        prompt_for(engine, prefix), sampling or SamplingParams(), cancel or CancelToken()
    )
    return [delta async for delta in deltas]


def text(deltas: list[Delta], index: int = 0) -> str:
    """One candidate's text."""
    return "".join(delta.text for delta in deltas if delta.index == index)


def reasons(deltas: list[Delta]) -> list[FinishReason]:
    """Every reason that was given."""
    return [delta.finish_reason for delta in deltas if delta.finish_reason is not None]


async def test_first_matching_rule_answers() -> None:
    """Rules are tried in order against the end of the prefix."""
    engine = ScriptedEngine([Rule("return ", ("1",)), Rule("turn ", ("2",)), Rule("", ("3",))])
    assert "1" == text(await run(engine, "return "))
    assert "2" == text(await run(engine, "turn "))
    assert "3" == text(await run(engine, "x"))


async def test_no_rule_is_an_empty_answer() -> None:
    """Where no rule fits, the generation is empty and ends by itself."""
    deltas = await run(ScriptedEngine([Rule("x", ("1",))]), "y")
    assert ("", [FinishReason.STOP]) == (text(deltas), reasons(deltas))


async def test_rule_sees_healed_text() -> None:
    """A rule matches the text before the cursor, also the piece that healing cut."""
    engine = ScriptedEngine([Rule("value = ret", ("urn",))])
    assert " ret" == prompt_for(engine, "value = ret").healing
    assert "urn" == text(await run(engine, "value = ret"))


async def test_ids_are_the_text() -> None:
    """Ids and log-probabilities belong to the text, also where a character is several tokens."""
    engine = ScriptedEngine([Rule("", ("é🙂x",))])
    deltas = await run(engine, "a = ")
    assert "é🙂x" == engine.tokenizer.decode([token for one in deltas for token in one.token_ids])
    assert all(len(delta.token_ids) == len(delta.logprobs) for delta in deltas)


async def test_candidates() -> None:
    """Each candidate has its text; those the script lacks are empty; each ends once."""
    engine = ScriptedEngine([Rule("", ("one", "two"))])
    deltas = await run(engine, "x = ", SamplingParams(candidates=3))
    assert ["one", "two", ""] == [text(deltas, index) for index in range(3)]
    assert [0, 1, 2] == [delta.index for delta in deltas if delta.finish_reason]


async def test_usage_stands_on_the_first_token_and_on_the_last_delta() -> None:
    """The cost is reported as soon as it is known and at the end; reuse is what prompts share."""
    engine = ScriptedEngine([Rule("", ("ab",))])
    first = await run(engine, "x = 1\ny = ")
    second = await run(engine, "x = 1\nz = ")
    assert [True, False, True] == [delta.usage is not None for delta in first]
    assert first[0].usage is not None
    assert second[-1].usage is not None
    assert 0 == first[0].usage.reused_tokens
    prompts = [prompt_for(engine, prefix).token_ids for prefix in ("x = 1\ny = ", "x = 1\nz = ")]
    shared = next(i for i, (one, other) in enumerate(zip(*prompts, strict=True)) if one != other)
    assert shared == second[-1].usage.reused_tokens


async def test_max_tokens() -> None:
    """The generation ends with LENGTH at the limit."""
    deltas = await run(ScriptedEngine([Rule("", ("abcdef",))]), "x = ", SamplingParams(3))
    assert ("abc", [FinishReason.LENGTH]) == (text(deltas), reasons(deltas))


async def test_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """The generation ends with DEADLINE when time is up, with what there is by then."""
    looks = itertools.count()
    clock = SimpleNamespace(perf_counter=lambda: next(looks) / 100)  # 10 ms a character
    monkeypatch.setattr(scripted, "time", clock)
    engine = ScriptedEngine([Rule("", ("a" * 99,))])
    deltas = await run(engine, "x = ", SamplingParams(max_tokens=99, deadline_ms=55))
    assert ("a" * 5, [FinishReason.DEADLINE]) == (text(deltas), reasons(deltas))


async def test_cancel_while_writing() -> None:
    """A cancelled generation writes no other character, and says that it was cancelled."""
    cancel = CancelToken()
    engine = ScriptedEngine([Rule("", ("a" * 99,))])
    stream = engine.generate(prompt_for(engine, "x = "), SamplingParams(max_tokens=99), cancel)
    assert "a" == (await anext(stream)).text
    cancel.cancel()
    deltas = [delta async for delta in stream]
    assert ("", [FinishReason.CANCEL]) == (text(deltas), reasons(deltas))


async def test_cancel_while_hanging() -> None:
    """A generation that hangs does so until it is cancelled."""
    cancel = CancelToken()
    engine = ScriptedEngine([Rule("", fail="hang")])
    task = asyncio.create_task(run(engine, "x = ", cancel=cancel))
    await asyncio.sleep(0.01)
    assert not task.done()
    cancel.cancel()
    assert [FinishReason.CANCEL] == reasons(await asyncio.wait_for(task, HANG_S))


async def test_hold(tmp_path: Path) -> None:
    """Nothing comes as long as the file exists that the engine made when it began."""
    file = tmp_path / "held"
    engine = ScriptedEngine([Rule("", ("a",), hold=str(file))])
    task = asyncio.create_task(run(engine, "x = "))
    await until(file.exists)
    assert not task.done()
    file.unlink()
    assert "a" == text(await asyncio.wait_for(task, HANG_S))


async def test_cancel_while_held(tmp_path: Path) -> None:
    """A held generation that is cancelled ends, though the file is there."""
    file, cancel = tmp_path / "held", CancelToken()
    engine = ScriptedEngine([Rule("", ("a",), hold=str(file))])
    task = asyncio.create_task(run(engine, "x = ", cancel=cancel))
    await until(file.exists)
    cancel.cancel()
    deltas = await asyncio.wait_for(task, HANG_S)
    assert ("", [FinishReason.CANCEL]) == (text(deltas), reasons(deltas))
    assert file.exists()


async def test_raise() -> None:
    """A scripted error fails its request alone."""
    engine = ScriptedEngine([Rule("bad", fail="raise"), Rule("", ("1",))])
    with pytest.raises(EngineError):
        await run(engine, "bad")
    assert "1" == text(await run(engine, "good"))


async def test_die() -> None:
    """After a scripted death every request fails."""
    engine = ScriptedEngine([Rule("bad", fail="die"), Rule("", ("1",))])
    for prefix in ("bad", "good"):
        with pytest.raises(EngineDeadError) as caught:
            await run(engine, prefix)
        assert "restart" in caught.value.hint


async def test_aclose() -> None:
    """A closed engine serves no request; closing twice is fine."""
    engine = ScriptedEngine([Rule("", ("1",))])
    await engine.aclose()
    await engine.aclose()
    with pytest.raises(EngineDeadError):
        await run(engine, "x")


async def test_closing_the_iterator_ends_it() -> None:
    """A consumer that has enough may close the generation."""
    engine = ScriptedEngine([Rule("", ("abc",))])
    stream = engine.generate(prompt_for(engine, "x"), SamplingParams(), CancelToken())
    async with contextlib.aclosing(stream):
        assert "a" == (await anext(stream)).text
    assert [] == [delta async for delta in stream]


def test_read_script(tmp_path: Path) -> None:
    """A script is a JSON list of rules; a single text counts as a list of one."""
    path = tmp_path / "script.json"
    path.write_text(
        json.dumps(
            [
                {"after": "return ", "insert": "1", "delay_ms": 2.5},
                {"after": "x", "insert": ["1", "2"]},
                {"after": "", "fail": "hang"},
                {"after": "y", "hold": "file"},
            ]
        )
    )
    expected = (
        Rule("return ", ("1",), delay_ms=2.5),
        Rule("x", ("1", "2")),
        Rule("", (), fail="hang"),
        Rule("y", hold="file"),
    )
    assert expected == read_script(path)


@pytest.mark.parametrize(
    "script",
    [
        "",
        "{",
        "7",
        '{"after": "x"}',
        "[7]",
        '["x"]',
        '[{"insert": "1"}]',
        '[{"after": "x", "inserts": "1"}]',
        '[{"after": 1, "insert": "1"}]',
        '[{"after": "x", "insert": 1}]',
        '[{"after": "x", "insert": [1]}]',
        '[{"after": "x", "delay_ms": "1"}]',
        '[{"after": "x", "hold": 1}]',
        '[{"after": "x", "fail": "explode"}]',
    ],
)
def test_bad_script(tmp_path: Path, script: str) -> None:
    """A script that isn't a list of rules is refused with the file's name and an example."""
    path = tmp_path / "script.json"
    path.write_text(script)
    with pytest.raises(ConfigError, match=r"script\.json") as caught:
        read_script(path)
    assert "after" in caught.value.hint


def test_missing_script(tmp_path: Path) -> None:
    """A script that isn't there is named."""
    with pytest.raises(ConfigError, match=r"none\.json"):
        read_script(tmp_path / "none.json")
