"""`fimls complete`: its output, its exit codes and what it says about bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Fimls

CONTRACT = {
    *("text", "range", "model", "adapter", "prompt_tokens", "reused_tokens", "generated_tokens"),
    *("ttft_ms", "total_ms", "finish_reason", "confidence", "suppressed"),
}


def test_text(scripted: Fimls, source: Path) -> None:
    """The completion alone goes to standard output, the timings to standard error."""
    outcome = scripted("complete", f"{source}:2:12")
    assert (0, "a + b\n") == (outcome.code, outcome.out)
    assert outcome.err.startswith("scripted: single-line, ")
    assert " 5 generated" in outcome.err


def test_json(scripted: Fimls, source: Path) -> None:
    """One object with the contract's keys goes to standard output, and nothing else."""
    outcome = scripted("complete", f"{source}:2:12", "--json")
    report = outcome.report
    assert set() == CONTRACT - set(report)
    assert (0, "") == (outcome.code, outcome.err)
    here = {"line": 2, "column": 12}
    expected = {
        "text": "a + b",
        "range": {"start": here, "end": here},
        "candidates": ["a + b"],
        "mode": "single",
        "model": "scripted",
        "adapter": None,
        "reused_tokens": 0,
        "generated_tokens": 5,
        "finish_reason": "stop",
        "suppressed": None,
    }
    assert expected == {key: report[key] for key in expected}
    assert report["prompt_tokens"] > 20
    assert 0 <= report["ttft_ms"] <= report["total_ms"]
    assert 0 < report["confidence"] <= 1


def test_json_without_completion(scripted: Fimls, source: Path) -> None:
    """Where nothing is shown, the object says why; that is no failure."""
    outcome = scripted("complete", f"{source}:1:1", "--json")
    report = outcome.report
    assert (0, "", "empty") == (outcome.code, report["text"], report["suppressed"])
    assert (None, None, []) == (report["confidence"], report["ttft_ms"], report["candidates"])


def test_text_without_completion(scripted: Fimls, source: Path) -> None:
    """The reason for no completion goes to standard error."""
    outcome = scripted("complete", f"{source}:1:1")
    assert (0, "") == (outcome.code, outcome.out)
    assert outcome.err.startswith("no completion: empty\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("complete", "{at}", "--engine", "scripted", "--set", "{script}"),
        ("--engine", "scripted", "--set", "{script}", "complete", "{at}"),
        ("complete", "--engine=scripted", "{at}", "--set={script}"),
        ("--set", "{script}", "complete", "{at}", "--engine", "scripted"),
    ],
)
def test_options_stand_anywhere(fimls: Fimls, source: Path, arguments: tuple[str, ...]) -> None:
    """Global options may stand before and after the command."""
    script = source.with_name("s.json")
    script.write_text('[{"after": "return ", "insert": "1"}]')
    values = {"at": f"{source}:2:12", "script": f"scripted_file={script}"}
    outcome = fimls(*(argument.format(**values) for argument in arguments))
    assert (0, "1\n") == (outcome.code, outcome.out)


def test_candidates(scripted: Fimls, source: Path) -> None:
    """Several candidates are printed in order, equal ones once."""
    outcome = scripted("complete", f"{source}:2:12", "-n", 3)
    assert (0, "a + b\nb + a\n") == (outcome.code, outcome.out)


@pytest.mark.parametrize(
    ("option", "expected"),
    [(None, "x = 1\n    y = 2"), ("--multi", "x = 1\n    y = 2"), ("--single", "x = 1")],
)
def test_mode(scripted: Fimls, source: Path, option: str | None, expected: str) -> None:
    """The syntax chooses between one line and several, unless an option does."""
    source.write_text("def f():\n    \n")
    options = [option] if option else []
    assert expected == scripted("complete", f"{source}:2:5", "--json", *options).report["text"]


def test_crlf_and_astral_characters(scripted: Fimls, source: Path) -> None:
    """LINE and COL count characters, whatever their width; a CRLF is one line end."""
    source.write_bytes("s = '🙂é'; return \r\n".encode())
    report = scripted("complete", f"{source}:1:18", "--json").report
    assert "a + b" == report["text"]
    assert {"line": 1, "column": 18} == report["range"]["start"]


def test_empty_file(scripted: Fimls, source: Path) -> None:
    """An empty file has one place, and it can be completed."""
    source.write_bytes(b"")
    outcome = scripted("complete", f"{source}:1:1", "--json")
    assert (0, "empty") == (outcome.code, outcome.report["suppressed"])


def test_language_without_grammar(scripted: Fimls, source: Path) -> None:
    """A language without a grammar, and a file without a known ending, are completed too."""
    for name in ("add.cob", "noending"):
        path = source.with_name(name)
        path.write_text("ADD A TO B\nreturn \n")
        outcome = scripted("complete", f"{path}:2:8")
        assert (0, "a + b\n") == (outcome.code, outcome.out)


def test_literal_control_tokens(scripted: Fimls, source: Path) -> None:
    """Control tokens that stand in the file are text like any other."""
    source.write_text("x = '[mid][pre]<|endoftext|>'\nreturn \n# [post]\n")
    assert "a + b\n" == scripted("complete", f"{source}:2:8").out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"\x7fELF\0\0\0", "binary", id="binary"),
        pytest.param(b"x = '\xe9'\n", "not UTF-8: byte 0xe9", id="latin-1"),
        pytest.param("x = 1\n".encode("utf-16"), "UTF-16", id="utf-16"),
        pytest.param(b"x = 1\n" * 340_000, "too large: 2,040,000 bytes", id="huge"),
    ],
)
def test_unreadable_file(scripted: Fimls, source: Path, content: bytes, said: str) -> None:
    """A file that is no text to complete is refused by name, with the reason."""
    source.write_bytes(content)
    outcome = scripted("complete", f"{source}:1:1", "--json")
    error, hint, rest = outcome.err.split("\n", 2)
    assert (1, "", "") == (outcome.code, outcome.out, rest)
    assert error.startswith(f"error: {source}")
    assert said in error
    assert hint.startswith("hint: ")


def test_missing_file(scripted: Fimls, tmp_path: Path) -> None:
    """A file that isn't there is named."""
    outcome = scripted("complete", f"{tmp_path}/none.py:1:1")
    assert (1, "") == (outcome.code, outcome.out)
    assert f"error: {tmp_path}/none.py: no such file\nhint: " in outcome.err


def test_directory(scripted: Fimls, tmp_path: Path) -> None:
    """A folder is refused."""
    outcome = scripted("complete", f"{tmp_path}:1:1")
    assert 1 == outcome.code
    assert "a directory" in outcome.err


@pytest.mark.parametrize(
    ("place", "said"),
    [("7:1", "line 7 is outside the text, which has 6 lines"), ("2:13", "column 13 is outside")],
)
def test_position_outside(scripted: Fimls, source: Path, place: str, said: str) -> None:
    """A place outside the file is a failure that says how far the file goes."""
    outcome = scripted("complete", f"{source}:{place}")
    assert (1, "") == (outcome.code, outcome.out)
    assert said in outcome.err
    assert "hint: " in outcome.err


@pytest.mark.parametrize("place", ["", ":2", ":2:", ":x:1", ":2:1.5", ":0:1", ":1:0", ":1:-1"])
def test_bad_position(scripted: Fimls, source: Path, place: str) -> None:
    """What isn't FILE:LINE:COL is wrong usage."""
    outcome = scripted("complete", f"{source}{place}")
    assert (2, "") == (outcome.code, outcome.out)
    assert "Error" in outcome.err


def test_engine_error(scripted: Fimls, source: Path) -> None:
    """An engine's failure is one line and exit code 1."""
    source.write_text("broken \n")
    outcome = scripted("complete", f"{source}:1:8")
    assert (1, "", "error: the script says: fail\n") == (outcome.code, outcome.out, outcome.err)


def test_unknown_model(fimls: Fimls, source: Path) -> None:
    """An unknown model is answered with the nearest known one."""
    outcome = fimls("complete", f"{source}:2:12", "--model", "smolm2")
    assert (1, "") == (outcome.code, outcome.out)
    assert "error: unknown model 'smolm2'\nhint: did you mean 'smollm2'?\n" == outcome.err


def test_model_not_fetched(fimls: Fimls, source: Path) -> None:
    """A known model that isn't here is answered with the command that fetches it."""
    outcome = fimls("complete", f"{source}:2:12", "--model", "smollm2")
    assert (1, "") == (outcome.code, outcome.out)
    assert "fimls pull smollm2-135m-instruct-q4_1" in outcome.err


def test_unknown_setting(scripted: Fimls, source: Path) -> None:
    """An unknown setting is answered with the nearest, and what it is for."""
    outcome = scripted("complete", f"{source}:2:12", "--set", "prefx_tokens=99")
    assert (1, "") == (outcome.code, outcome.out)
    assert "unknown setting 'prefx_tokens'; the nearest is 'prefix_tokens'" in outcome.err
    assert "hint: prefix_tokens: " in outcome.err


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("prefix_tokens=1", "between 16 and"),
        ("prefix_tokens=many", "a whole number"),
        ("order=sideways", "one of spm, psm"),
    ],
)
def test_bad_setting(scripted: Fimls, source: Path, assignment: str, said: str) -> None:
    """A setting out of its range is refused with the range."""
    outcome = scripted("complete", f"{source}:2:12", "--set", assignment)
    assert (1, "") == (outcome.code, outcome.out)
    assert said in outcome.err


def test_setting_without_value(scripted: Fimls, source: Path) -> None:
    """`--set` without a value is wrong usage."""
    outcome = scripted("complete", f"{source}:2:12", "--set", "prefix_tokens")
    assert (2, "") == (outcome.code, outcome.out)
    assert "KEY=VALUE" in outcome.err


def test_workspace_settings(scripted: Fimls, source: Path) -> None:
    """The settings of the file's workspace apply, up to its root."""
    (source.parent / ".fimls.toml").write_text('multiline = "always"\n')
    inner = source.parent / "package"
    inner.mkdir()
    moved = source.rename(inner / source.name)
    assert "multi" == scripted("complete", f"{moved}:2:12", "--json").report["mode"]


def test_untrusted_workspace_settings(scripted: Fimls, source: Path) -> None:
    """A workspace may not choose what runs."""
    (source.parent / ".fimls.toml").write_text('model = "/tmp/evil.gguf"\n')
    outcome = scripted("complete", f"{source}:2:12")
    assert (1, "") == (outcome.code, outcome.out)
    assert "a workspace may not set 'model'" in outcome.err


def test_adapter_of_another_base(fimls: Fimls, source: Path, tmp_path: Path) -> None:
    """An adapter that was trained on another base is refused; the error names both."""
    model = tmp_path / "mine.gguf"
    model.write_bytes(b"GGUF")
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    (adapter / "adapter_model.safetensors").write_bytes(b"")
    manifest = {"base": "other-base-1b", "base_sha256": "0" * 64}
    (adapter / "fimls_manifest.json").write_text(json.dumps(manifest))
    outcome = fimls("complete", f"{source}:2:12", "--model", model, "--adapter", adapter)
    assert (1, "") == (outcome.code, outcome.out)
    assert "other-base-1b" in outcome.err
    assert "not on mine" in outcome.err
    assert "hint: " in outcome.err
