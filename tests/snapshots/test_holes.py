"""Forty holes in ten languages: the prompt of each, and what becomes of what a model writes there.

``data/project`` holds the files, with marks around what is taken out. The engine is scripted.
"""

from __future__ import annotations

import hashlib
import json
import re
import runpy
import sys
from collections.abc import Callable, Iterator, Sequence
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

OFFERED = ("text", "range", "candidates", "mode", "suppressed")

PROJECT = DATA / "project"
FILES = sorted(path.stem for path in PROJECT.glob("*.txt"))

Ask = Callable[..., dict[str, Any]]


class Hole(NamedTuple):
    """A place in a file, where its middle was taken out."""

    prefix: str
    middle: str
    suffix: str

    @property
    def place(self) -> str:
        """``LINE:COL``, from 1."""
        line_start = self.prefix.rfind("\n") + 1
        return f"{self.prefix.count(chr(10)) + 1}:{len(self.prefix) - line_start + 1}"

    @property
    def first_line(self) -> str:
        """The middle's first line of code."""
        return self.middle.strip().partition("\n")[0]


def holes_of(name: str) -> Iterator[Hole]:
    """Each hole of a file, with the middles of the others in their places."""
    text = (PROJECT / f"{name}.txt").read_text(encoding="utf-8")
    for mark in MARKED.finditer(text):
        around = text[: mark.start()], text[mark.end() :]
        prefix, suffix = (MARKED.sub(r"\1", part) for part in around)
        yield Hole(prefix, mark[1], suffix)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files without holes, and the index that a server leaves for the commands."""
    folder = tmp_path_factory.mktemp("workspace") / "project"
    folder.mkdir()
    for name in FILES:
        text = (PROJECT / f"{name}.txt").read_text(encoding="utf-8")
        (folder / name).write_text(MARKED.sub(r"\1", text), encoding="utf-8")
    with served(folder.parent, [], folder.as_uri()) as (wire, process):
        wire.initialize(workspaceFolders=[{"uri": folder.as_uri(), "name": "project"}])
        while not is_indexed(wire.run_unrecorded("fimls.status")):
            pass
        wire.ask("shutdown")
        wire.notify("exit")
        assert 0 == process.wait()
    return folder


def is_indexed(status: dict[str, Any]) -> bool:
    """Whether a server has read its workspace."""
    return [folder["index"] for folder in status["context"].get("folders", ())] == ["ready"]


@pytest.fixture
def ask(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Ask:
    """Run ``fimls COMMAND... --json`` on an engine that writes a text, and return the object.

    In this process: many are run.
    """
    for name, value in environment(workspace.parent).items():
        monkeypatch.setenv(name, value)
    script = workspace.parent / "script.json"
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


@pytest.mark.parametrize("name", FILES)
def test_holes(workspace: Path, ask: Ask, name: str) -> None:
    """Prompts, snippets, steps of post-processing, gate and verdicts are those that are stored."""
    file = workspace / name
    whole = file.read_text(encoding="utf-8")
    found = []
    try:
        for hole in holes_of(name):
            file.write_text(hole.prefix + hole.suffix, encoding="utf-8")
            place = f"{file}:{hole.place}"
            found += [f"=== {name}:{hole.place} {hole.middle!r}", *prompted(ask, place)]
            found += [*explained(ask, place, hole), *asked_for(ask, place, hole), ""]
    finally:
        file.write_text(whole, encoding="utf-8")
    compare(f"holes/{name}.txt", "\n".join(found))


def prompted(ask: Ask, place: str) -> list[str]:
    """The prompt, part by part and id by id."""
    report = ask("prompt", place)
    ids = hashlib.sha256(json.dumps(report["token_ids"]).encode()).hexdigest()[:16]
    parts = [f"{part['kind']} {part['tokens']}: {part['text']!r}" for part in report["parts"]]
    return [*parts, f"healing: {report['healing']!r}", f"ids: {ids}"]


def explained(ask: Ask, place: str, hole: Hole) -> list[str]:
    """What is made, while typing, of a text that runs on, of one that repeats, of an unsure one."""
    line = hole.first_line
    texts: dict[str, dict[str, Any]] = {
        "runs on": {"insert": hole.middle + hole.suffix[:80]},
        "repeats": {"insert": "\n".join([line] * 4), "logprob": -0.01},
        "doubts": {"insert": f"{hole.middle} + unheard_of", "logprob": -0.05},
    }
    found: list[str] = []
    for name, text in texts.items():
        why = ask("why", place, **text)
        found += [] if found else selected(why, FOUND)
        steps = [f"  {step['name']}: {step['text']!r}" for step in why["steps"]]
        found += [f"--- {name}", *selected(why, MADE), "steps:", *steps]
    return found


def asked_for(ask: Ask, place: str, hole: Hole) -> list[str]:
    """Which of three texts are offered to somebody who asks, in which order."""
    line = hole.first_line
    report = ask("complete", place, "-n", "3", insert=[line, hole.middle, f"{line} + 1"])
    return ["--- asked for three", *selected(report, OFFERED)]


def selected(report: dict[str, Any], names: Sequence[str]) -> list[str]:
    """Some fields of an object, a line for each."""
    return [f"{name}: {json.dumps(report[name], ensure_ascii=False)}" for name in names]
