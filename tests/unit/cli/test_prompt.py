"""`fimls prompt`: what the model would see."""

from __future__ import annotations

from pathlib import Path

from tests.unit.cli.conftest import Fimls


def test_text(scripted: Fimls, source: Path) -> None:
    """The prompt's text goes to standard output, the counts of its parts to standard error."""
    outcome = scripted("prompt", f"{source}:2:12")
    assert 0 == outcome.code
    assert "[pre][post]\n\n\nprint(add(1, 2))\n[mid]def add(a, b):\n    return \n" == outcome.out
    assert "pre-post-mid, spm, single-line; " in outcome.err
    assert "control 3  suffix 20  prefix 25" in outcome.err
    assert "healing ' ' (cut, to be generated again)" in outcome.err


def test_json(scripted: Fimls, source: Path) -> None:
    """The parts cover the ids in order, and their texts are the file's."""
    report = scripted("prompt", f"{source}:2:12", "--json").report
    kinds = [part["kind"] for part in report["parts"]]
    assert ["control", "control", "suffix", "control", "prefix"] == kinds
    assert len(report["token_ids"]) == sum(part["tokens"] for part in report["parts"])
    texts = {part["kind"]: part["text"] for part in report["parts"]}
    before, after = texts["prefix"] + report["healing"], texts["suffix"]
    assert source.read_text() == before + after


def test_is_what_complete_sends(scripted: Fimls, source: Path) -> None:
    """Prompt and completion count the same tokens: there is one prompt builder."""
    place = f"{source}:2:12"
    shown = len(scripted("prompt", place, "--json").report["token_ids"])
    assert shown == scripted("complete", place, "--json").report["prompt_tokens"]


def test_order(scripted: Fimls, source: Path) -> None:
    """Settings change the prompt: prefix first puts the suffix behind it."""
    report = scripted("prompt", f"{source}:2:12", "--json", "--set", "order=psm").report
    kinds = [part["kind"] for part in report["parts"]]
    assert ["control", "prefix", "control", "suffix", "control"] == kinds


def test_literal_control_tokens(scripted: Fimls, source: Path) -> None:
    """A control token that stands in the file never becomes its id."""
    source.write_text("x = '[mid]'\nreturn \n")
    report = scripted("prompt", f"{source}:2:8", "--json").report
    control = [part["text"] for part in report["parts"] if part["kind"] == "control"]
    assert ["[pre]", "[post]", "[mid]"] == control
    marks = [token for token in report["token_ids"] if token > 255]
    assert 3 == len(marks)


def test_bad_input(scripted: Fimls, source: Path) -> None:
    """Failures are explained as by `fimls complete`."""
    outcome = scripted("prompt", f"{source}:99:1")
    assert (1, "") == (outcome.code, outcome.out)
    assert "error: line 99 is outside" in outcome.err


def test_model_not_fetched(fimls: Fimls, source: Path) -> None:
    """The prompt needs the model's tokenizer: one that isn't here is named."""
    outcome = fimls("prompt", f"{source}:2:12")
    assert (1, "") == (outcome.code, outcome.out)
    assert "fimls pull" in outcome.err
