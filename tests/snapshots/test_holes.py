"""Forty holes in ten languages: the prompt of each, and what becomes of what a model writes there.

``data/project`` holds the files, with marks around what is taken out. The engine is scripted.
"""

from __future__ import annotations

import hashlib
import json
import re
import runpy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.snapshots.stored import DATA, PATIENT, compare, environment
from tests.snapshots.wire import served

START, END = (
    "\N{MATHEMATICAL LEFT WHITE SQUARE BRACKET}",
    "\N{MATHEMATICAL RIGHT WHITE SQUARE BRACKET}",
)
MARKED = re.compile(f"{START}(.*?){END}", re.DOTALL)
# Of an explanation: what was found for the prompt, and what became of the generation.
FOUND = ("context_state", "context_note", "considered")
MADE = ("mode", "answered_by", "generation", "gate", "shown", "suppressed")

Ask = Callable[..., dict[str, Any]]


class Hole(NamedTuple):
    """A place in a file, where its middle was taken out."""

    path: str
    prefix: str
    middle: str
    suffix: str

    @property
    def place(self) -> str:
        """``LINE:COL``, from 1."""
        line_start = self.prefix.rfind("\n") + 1
        return f"{self.prefix.count(chr(10)) + 1}:{len(self.prefix) - line_start + 1}"


def holes() -> Iterator[Hole]:
    """Each hole, with the middles of its file's other holes in their places."""
    for path in sorted((DATA / "project").glob("*.txt")):
        text = path.read_text(encoding="utf-8")
        for mark in MARKED.finditer(text):
            prefix, suffix = (
                MARKED.sub(r"\1", part) for part in (text[: mark.start()], text[mark.end() :])
            )
            yield Hole(path.stem, prefix, mark[1], suffix)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The files as a workspace without holes."""
    folder = tmp_path / "project"
    folder.mkdir()
    for hole in holes():
        (folder / hole.path).write_text(hole.prefix + hole.middle + hole.suffix, encoding="utf-8")
    return folder


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Run ``fimls COMMAND... --json`` on an engine that plays the rule, and return the object.

    In this process: many are run.
    """
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    script = tmp_path / "script.json"
    engine = ("--engine", "scripted", "--set", f"scripted_file={script}", *PATIENT)

    def run(*command: str, insert: object = "", logprob: float = -0.001) -> dict[str, Any]:
        rule = {"after": "", "insert": insert, "logprob": logprob}
        script.write_text(json.dumps([rule]), encoding="utf-8")
        monkeypatch.setattr(sys, "argv", ["fimls", *command, "--json", *engine])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            runpy.run_module("fimls", run_name="__main__")
        assert 0 == end.value.code
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        return answer

    return run


def in_each_hole(project: Path, look: Callable[[Hole, str], list[str]]) -> str:
    """What ``look`` finds at each hole while its middle is missing."""
    pages = []
    for hole in holes():
        file = project / hole.path
        file.write_text(hole.prefix + hole.suffix, encoding="utf-8")
        found = look(hole, f"{file}:{hole.place}")
        file.write_text(hole.prefix + hole.middle + hole.suffix, encoding="utf-8")
        pages.append("\n".join([f"=== {hole.path}:{hole.place} {hole.middle!r}", *found]))
    return "\n\n".join(pages) + "\n"


def index(project: Path) -> None:
    """Have a server index the workspace; it leaves the index for the commands."""
    with served(project.parent, [], project.as_uri()) as (wire, process):
        wire.initialize(workspaceFolders=[{"uri": project.as_uri(), "name": "project"}])
        while True:
            context = wire.run_unrecorded("fimls.status")["context"]
            if [one["index"] for one in context.get("folders", ())] == ["ready"]:
                break
        wire.ask("shutdown")
        wire.notify("exit")
        assert 0 == process.wait()


def test_prompts(project: Path, ask: Ask) -> None:
    """Each hole has the stored prompt, part by part and id by id, snippets included."""
    index(project)

    def prompt(_: Hole, place: str) -> list[str]:
        report = ask("prompt", place)
        ids = hashlib.sha256(json.dumps(report["token_ids"]).encode()).hexdigest()[:16]
        parts = [f"{part['kind']} {part['tokens']}: {part['text']!r}" for part in report["parts"]]
        return [*parts, f"healing: {report['healing']!r}", f"ids: {ids}"]

    compare("prompts.txt", in_each_hole(project, prompt))


def test_what_is_made_of_generations(project: Path, ask: Ask) -> None:
    """Each step of post-processing, the gate and the verdict are those that are stored."""
    index(project)

    def explain(hole: Hole, place: str) -> list[str]:
        line = hole.middle.strip().split("\n")[0]
        runs_on = {"insert": hole.middle + hole.suffix[:80]}
        repeats = {"insert": "\n".join([line] * 4), "logprob": -0.01}
        doubts = {"insert": f"{hole.middle} + unheard_of", "logprob": -0.05}
        found = []
        for name, rule in (("runs on", runs_on), ("repeats", repeats), ("doubts", doubts)):
            why = ask("why", place, **rule)
            found += [] if found else selected(why, FOUND)
            steps = [f"  {step['name']}: {step['text']!r}" for step in why["steps"]]
            found += [f"--- {name}", *selected(why, MADE), "steps:", *steps]
        several = ask("complete", place, "-n", "3", insert=[line, hole.middle, f"{line} + 1"])
        chosen = ("text", "range", "candidates", "mode", "suppressed")
        return [*found, "--- asked for three", *selected(several, chosen)]

    compare("explanations.txt", in_each_hole(project, explain))


def selected(report: dict[str, Any], names: tuple[str, ...]) -> list[str]:
    """Some fields of an object, a line for each."""
    return [f"{name}: {json.dumps(report[name], ensure_ascii=False)}" for name in names]
