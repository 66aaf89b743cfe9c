"""The whole evaluation, with the scripted engine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer

from fimls.cli.options import Invocation
from fimls.completer import Completer
from fimls.config import Settings
from fimls.engines.scripted import Rule, ScriptedEngine
from fimls.types import ConfigError, EngineDeadError, EngineError, Mode
from tests.training.evaluation.rows import ListSuite, make_item
from training.cli.evaluate import run as run_command
from training.evaluation.answers import Answer, CompleterAsker, FixedAsker, RawAsker
from training.evaluation.evaluate import Request, evaluate
from training.evaluation.journal import Journal
from training.evaluation.page import render_markdown, render_page
from training.evaluation.report import compare_reports, read_report, write_report
from training.evaluation.run import make_plan, run
from training.evaluation.suites.base import Choice, Item
from training.evaluation.traces import Traces
from training.types import CorpusFile, EvaluationError

SETTINGS = Settings(engine="scripted", deadline_ms=0, adapter="none")


def scripted(rules: Sequence[Rule]) -> Completer:
    """Return a completer that answers by rule."""
    return Completer(ScriptedEngine(rules), SETTINGS)


async def test_completer_shows_and_raw_says_all() -> None:
    """The shipped pipeline keeps the line; raw keeps what the model wrote until it stopped."""
    completer = scripted([Rule("import os\n", ("x = 1\nprint(x)\nmore()",))])
    item = make_item(mode=Mode.SINGLE)
    shown = await CompleterAsker(completer).ask(item)
    raw = await RawAsker(completer).ask(item)
    assert (("x = 1",), None) == (shown.texts, shown.stopped)
    assert (("x = 1\nprint(x)\nmore()",), True) == (raw.texts, raw.stopped)
    assert shown.prompt_tokens == raw.prompt_tokens > 0
    assert raw.confidence == pytest.approx(0.999, abs=1e-3)
    await completer.aclose()


async def test_raw_that_does_not_stop_says_so() -> None:
    """At the token limit a model hasn't stopped by itself."""
    completer = scripted([Rule("import os\n", ("x" * 500,))])
    answer = await RawAsker(completer).ask(make_item(mode=Mode.SINGLE))
    assert (False, "length") == (answer.stopped, answer.finish_reason)
    await completer.aclose()


async def test_nothing_to_show_keeps_its_reason() -> None:
    """A suppressed completion is an answer without text, and says why."""
    completer = scripted([])
    answer = await CompleterAsker(completer).ask(make_item())
    assert ((), "empty") == (answer.texts, answer.suppressed)
    await completer.aclose()


class Moody:
    """Fails a given number of times, then answers with the reference."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.asked: list[str] = []

    async def ask(self, item: Item) -> Answer:
        """Raise the next failure, or answer."""
        self.asked.append(item.id)
        if self.failures:
            raise self.failures.pop(0)
        return Answer((item.reference,))


async def test_interrupted_run_goes_on(tmp_path: Path) -> None:
    """What was answered before a failure isn't asked again."""
    plan = make_plan(ListSuite(*(make_item(name) for name in "abc")), Choice())
    journal = Journal(tmp_path, {})

    scored = asyncio.Event()

    class Failing:
        async def ask(self, item: Item) -> Answer:
            if item.id == "c":
                await scored.wait()
                raise EngineError("broken")
            return Answer((item.reference,))

    with pytest.raises(EngineError, match="broken"):
        await run(
            plan,
            Failing(),
            journal,
            concurrency=1,
            jobs=1,
            on_done=lambda done: scored.set() if done else None,
        )
    before = set(journal.rows)
    assert before
    assert before < {"a", "b", "c"}
    asker = Moody()
    again = Journal(tmp_path, {})
    elapsed = await run(plan, asker, again, concurrency=1, jobs=1)
    assert {"a", "b", "c"} == before | set(asker.asked)
    assert before.isdisjoint(asker.asked)
    assert ["a", "b", "c"] == [row["id"] for row in again.finish(["a", "b", "c"])]
    assert len(asker.asked) == elapsed.items


async def test_engine_that_died_is_asked_again(tmp_path: Path) -> None:
    """A dead engine starts anew; one that dies at every try ends the run."""
    plan = make_plan(ListSuite(make_item("a")), Choice())
    dead = EngineDeadError("gone")
    journal = Journal(tmp_path, {})
    await run(plan, Moody(dead, dead), journal, concurrency=1, jobs=1)
    assert {"a"} == set(journal.rows)
    fresh = Journal(tmp_path, {}, fresh=True)
    with pytest.raises(EngineDeadError):
        await run(plan, Moody(dead, dead, dead), fresh, concurrency=1, jobs=1)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small folder of code."""
    root = tmp_path / "project"
    root.mkdir()
    for name in "ab":
        lines = "".join(f"    {name}{n} = value + {n}\n" for n in range(6))
        (root / f"{name}.py").write_text(f"def {name}(value):\n{lines}    return value\n")
    return root


async def evaluated(
    output: Path, *suites: str, adapter: str = "none", **options: Any
) -> dict[str, Any]:
    """Evaluate with the references for answers, and write the report."""
    request = Request(
        suites=suites,
        output=output,
        **{"answers": "reference", "choice": Choice(limit=6), "jobs": 1, **options},
    )
    settings = replace(SETTINGS, adapter=adapter)
    report = await evaluate(request, settings, on_done=lambda *_: None)
    write_report(report, output, page=render_page(report), markdown=render_markdown(report))
    return report


def without_times(text: str) -> dict[str, Any]:
    """Return a report or a row without all that the clock decides."""
    report: dict[str, Any] = json.loads(text)
    for run_ in report.get("runs", [report]):
        run_.pop("times")
    return report


async def test_report_is_the_same_twice(tmp_path: Path, project: Path) -> None:
    """The same seed gives the same report byte for byte, but for times; reading gives it back."""
    texts = []
    for name in ("one", "two"):
        report = await evaluated(tmp_path / name, str(project))
        texts.append((tmp_path / name / "report.json").read_text())
        assert report == read_report(tmp_path / name)
    assert without_times(texts[0]) == without_times(texts[1])
    (run_,) = report["runs"]
    assert (6, 1.0) == (run_["items"], run_["figures"]["all"]["all"]["exact"]["value"])


async def test_a_run_goes_on_however_much_it_logs(tmp_path: Path, project: Path) -> None:
    """Rows fit if they were answered the same way; how much was logged changes no answer."""
    request = Request(
        suites=(str(project),), output=tmp_path, answers="reference", choice=Choice(limit=2), jobs=1
    )
    await evaluate(request, SETTINGS, on_done=lambda *_: None)
    debugged = replace(SETTINGS, log_level="debug")
    report = await evaluate(request, debugged, on_done=lambda *_: None)
    assert [2] == [run_["items"] for run_ in report["runs"]]
    with pytest.raises(EvaluationError, match="order was 'spm', now it is 'psm'"):
        await evaluate(request, replace(SETTINGS, order="psm"), on_done=lambda *_: None)


async def test_model_through_the_pipeline(tmp_path: Path, project: Path) -> None:
    """The scripted engine says nothing: all items are answered, none is right, all are shown."""
    report = await evaluated(tmp_path / "out", str(project), answers="model")
    (run_,) = report["runs"]
    assert ("base", 0.0) == (run_["label"], run_["figures"]["all"]["all"]["exact"]["value"])
    page = (tmp_path / "out" / "report.html").read_text()
    assert run_["examples"][0]["id"] in page
    assert "://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "exact match" in (tmp_path / "out" / "report.md").read_text()


async def test_compare_reports(tmp_path: Path, project: Path) -> None:
    """Two reports of one suite are compared item by item; other versions aren't."""
    await evaluated(tmp_path / "right", str(project))
    await evaluated(tmp_path / "empty", str(project), answers="empty")
    (found,) = compare_reports(tmp_path / "empty", tmp_path / "right", seed=0)
    change = found["changes"]["all"]["all"]["exact"]
    assert (0.0, 1.0, 6, 0) == (
        change["before"]["value"],
        change["after"]["value"],
        change["better"],
        change["worse"],
    )
    (project / "a.py").write_text("def a():\n    value = 1\n    return value\n")
    await evaluated(tmp_path / "other", str(project))
    with pytest.raises(EvaluationError, match="two versions"):
        compare_reports(tmp_path / "right", tmp_path / "other", seed=0)


def test_reading_what_is_no_report(tmp_path: Path) -> None:
    """A missing report, another file and another version are told apart."""
    with pytest.raises(EvaluationError, match="can't read"):
        read_report(tmp_path)
    path = tmp_path / "report.json"
    path.write_text('{"name": "keystrokes"}')
    with pytest.raises(EvaluationError, match="no report of an evaluation"):
        read_report(tmp_path)
    path.write_text('{"name": "evaluation", "format_version": 99}')
    with pytest.raises(EvaluationError, match="version 99"):
        read_report(tmp_path)


async def test_fixed_answers() -> None:
    """The harness is proved with the reference and with nothing."""
    item = make_item()
    assert ("x = 1",) == (await FixedAsker(reference=True).ask(item)).texts
    assert ("",) == (await FixedAsker(reference=False).ask(item)).texts


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """A folder that is called an adapter; the scripted engine doesn't look inside."""
    folder = tmp_path / "tuned"
    folder.mkdir()
    return folder


async def test_gate_refuses_what_changes_nothing(
    tmp_path: Path, project: Path, adapter: Path, empty_home: Path
) -> None:
    """Both contenders answer both suites; equal answers promote nobody."""
    del empty_home
    report = await evaluated(
        tmp_path / "out",
        str(project),
        answers="model",
        adapter=str(adapter),
        baseline="none",
        gate=0.05,
        general="humaneval-random-span-light",
        general_items=3,
    )
    assert ["base", "tuned"] * 2 == [run_["label"] for run_ in report["runs"]]
    assert [False, False, True, True] == [run_["general"] for run_ in report["runs"]]
    assert not report["gate"]["promote"]
    assert report["gate"]["sentence"] in (tmp_path / "out" / "report.md").read_text()


async def test_what_the_adapter_was_trained_on_is_left_out(
    tmp_path: Path, project: Path, adapter: Path, empty_home: Path
) -> None:
    """Holes in trained files leak: they are named and counted, for the baseline too."""
    del empty_home
    trained = CorpusFile("project", "", "a.py", "python", "", (project / "a.py").read_text())
    Traces.of([trained]).write(adapter)
    report = await evaluated(
        tmp_path / "out",
        str(project),
        answers="model",
        adapter=str(adapter),
        baseline="none",
        audit=True,
        choice=Choice(),
    )
    for run_ in report["runs"]:
        assert run_["skipped"]["leaked"] > 0
        names = [one["name"] for one in run_["skipped_records"] if one["reason"] == "leaked"]
        assert all(name.startswith("project/a.py:") for name in names)
    assert {"base", "tuned"} == set(report["memory"])
    assert report["runs"][1]["items"] == report["memory"]["tuned"]["runs_asked"]


async def test_an_adapter_is_not_compared_with_itself(tmp_path: Path, project: Path) -> None:
    """The same model twice is a mistake in the command."""
    with pytest.raises(ConfigError, match="are the same: base"):
        await evaluated(
            tmp_path / "out", str(project), answers="model", adapter="none", baseline="none"
        )


def test_command_prints_and_exits_by_the_gate(
    tmp_path: Path,
    project: Path,
    adapter: Path,
    empty_home: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A refusal is exit code 1 and a sentence; the last line of standard output is JSON."""
    del empty_home
    request = Request(
        suites=(str(project),),
        output=tmp_path / "out",
        baseline="none",
        gate=0.05,
        general="humaneval-random-span-light",
        general_items=2,
        choice=Choice(limit=3),
        jobs=1,
    )
    with pytest.raises(typer.Exit) as caught:
        run_command(Invocation({"engine": "scripted", "adapter": str(adapter)}), request)
    printed = capfd.readouterr()
    assert 1 == caught.value.exit_code
    assert "not promoted: exact match on spans-project" in printed.err
    assert json.loads(printed.out.splitlines()[-1])["gate"]["promote"] is False
