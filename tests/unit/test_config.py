"""Settings: defaults, precedence, what each source may set, and errors that say what to do."""

from __future__ import annotations

import dataclasses
import math
import os
from typing import TYPE_CHECKING, Any

import pytest

from fimls.config import (
    COMMAND_LINE,
    EDITOR,
    SNIPPET_SOURCES,
    Settings,
    Source,
    engine_key,
    field_help,
    load,
    merge,
    workspace_settings,
)
from fimls.context import SOURCES
from fimls.types import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

WORKSPACE = Source("repo/.fimls.toml", trusted=False)
CHANGED: dict[str, object] = {  # every field, with a valid value that is not its default
    "engine": "http",
    "model": "m",
    "adapter": "/a",
    "quantization": "q8_0",
    "device": "cpu",
    "order": "psm",
    "url": "http://[::1]:8080/base",
    "http_format": "qwen2.5-coder",
    "scripted_file": "s.json",
    "prefix_tokens": 1000,
    "suffix_tokens": 0,
    "snippet_tokens": 0,
    "max_tokens_single": 1,
    "max_tokens_multi": 400,
    "deadline_ms": 0,
    "answer_ms": 0,
    "min_likelihood": 0.5,
    "show_above": 0.0,
    "ahead": False,
    "multiline": "never",
    "candidates": 8,
    "temperature": 0.5,
    "healing": False,
    "automatic": False,
    "context": False,
    "context_off": ["git"],
    "languages_off": ["markdown"],
    "exclude": ["*.min.js"],
    "feedback": False,
    "feedback_code": True,
    "log_level": "debug",
}
RELOADING = {
    *("engine", "model", "adapter", "quantization", "device", "order"),
    *("url", "http_format", "scripted_file"),
}
FROM_WORKSPACE = {
    *("prefix_tokens", "suffix_tokens", "snippet_tokens", "max_tokens_single", "max_tokens_multi"),
    *("deadline_ms", "multiline", "candidates", "healing", "automatic", "languages_off", "exclude"),
    *("answer_ms", "min_likelihood", "show_above", "ahead", "context", "context_off"),
}


def test_every_field_is_covered_here() -> None:
    """A new setting gets a row in these tests and a line of help."""
    names = {field.name for field in dataclasses.fields(Settings)}
    assert names == set(CHANGED)
    assert names == set(field_help())
    assert all(text and "\n" not in text for text in field_help().values())


def test_sources_of_snippets_are_those_that_there_are() -> None:
    """Each source can be switched off by its name; a wrong name is an error, not a silent no."""
    assert set(SNIPPET_SOURCES) == set(SOURCES)
    with pytest.raises(ConfigError, match="did you mean 'imports'"):
        merge(Settings(), {"context_off": ["import"]}, COMMAND_LINE)


def test_help_says_what_a_field_takes() -> None:
    """A line of help has the choices or the range, and the default as TOML writes it."""
    lines = field_help()
    assert lines["multiline"].endswith('(auto | always | never; default "auto")')
    assert lines["candidates"].endswith("(1 to 8; default 3)")
    assert lines["healing"].endswith("(default true)")
    assert lines["exclude"].endswith("(default [])")


@pytest.mark.parametrize(("name", "value"), list(CHANGED.items()))
def test_merge_sets_a_field(name: str, value: object) -> None:
    """Each field takes its value from a trusted source, lists as tuples, and no other changes."""
    expected: Any = tuple(value) if isinstance(value, list) else value
    assert dataclasses.replace(Settings(), **{name: expected}) == merge(
        Settings(), {name: value}, EDITOR
    )


def test_merge_makes_whole_numbers_floats() -> None:
    """JSON and TOML write 1 where a float is meant."""
    temperature = merge(Settings(), {"temperature": 1}, EDITOR).temperature
    assert (1.0, float) == (temperature, type(temperature))


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("prefix_token", "prefix_tokens"), ("maxTokensMulti", "max_tokens_multi"), ("zzz", "")],
)
def test_unknown_key_names_the_nearest_and_the_source(name: str, nearest: str) -> None:
    """A typo must not become an experiment."""
    with pytest.raises(ConfigError) as caught:
        merge(Settings(), {name: 1}, COMMAND_LINE)
    assert f"command line: unknown setting '{name}'; the nearest is '{nearest}" in str(caught.value)
    assert nearest in caught.value.hint


@pytest.mark.parametrize("name", ["api_key", "apiKey", "API_KEY"])
def test_a_secret_is_no_setting(name: str) -> None:
    """The error says that a key belongs in the environment, and does not repeat it."""
    with pytest.raises(ConfigError, match="unknown setting") as caught:
        merge(Settings(), {name: "sk-123"}, EDITOR)
    assert "FIMLS_API_KEY" in caught.value.hint
    assert "sk-123" not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("prefix_tokens", "512", "must be a whole number, got '512' (str)"),
        ("prefix_tokens", True, "must be a whole number, got True (bool)"),
        ("prefix_tokens", 512.0, "must be a whole number"),
        ("prefix_tokens", 15, "must be between 16 and 16384, got 15"),
        ("prefix_tokens", 16_385, "must be between 16 and 16384"),
        ("candidates", 0, "must be between 1 and 8"),
        ("candidates", 9, "must be between 1 and 8"),
        ("deadline_ms", -1, "must be between 0 and 600000"),
        ("temperature", math.nan, "must be between 0.0 and 2.0"),
        ("temperature", True, "must be a number"),
        ("healing", 1, "must be true or false, got 1 (int)"),
        ("model", None, "must be a string, got None"),
        ("exclude", "*.py", "must be a list of non-empty strings"),
        ("exclude", [1], "must be a list of non-empty strings"),
        ("languages_off", [""], "must be a list of non-empty strings"),
        ("engine", "opnvino", "(did you mean 'openvino'?)"),
        ("engine", "magic", "must be one of openvino, torch, http, scripted"),
        ("url", "localhost:8080", "must be an address like"),
        ("url", "file:///etc/passwd", "must be an address like"),
        ("url", "http://[::1", "must be an address like"),
        ("url", "http://host:port", "must be an address like"),
    ],
)
def test_merge_refuses_a_value(name: str, value: object, message: str) -> None:
    """Wrong types and ranges name the source, the setting and what it takes."""
    with pytest.raises(ConfigError) as caught:
        merge(Settings(), {name: value}, COMMAND_LINE)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"command line: '{name}' ")
    assert field_help()[name] in caught.value.hint


def test_url_with_a_password_is_refused_without_repeating_it() -> None:
    """Secrets come from the environment, and errors don't spread them."""
    with pytest.raises(ConfigError, match="FIMLS_API_KEY") as caught:
        merge(Settings(), {"url": "http://me:hunter2@host"}, EDITOR)
    assert "hunter2" not in str(caught.value) + caught.value.hint


def test_long_values_are_shortened_in_errors() -> None:
    """An error fits a line whatever was given."""
    with pytest.raises(ConfigError) as caught:
        merge(Settings(), {"candidates": "9" * 10_000}, EDITOR)
    assert len(str(caught.value)) < 300


def test_settings_check_themselves() -> None:
    """Invalid settings can't be made by hand either."""
    with pytest.raises(ConfigError, match="'candidates' must be between 1 and 8"):
        Settings(candidates=99)


@pytest.mark.parametrize("name", sorted(CHANGED))
def test_workspace_sets_only_what_is_harmless(name: str) -> None:
    """A cloned repository may set budgets, triggers and exclusions; the error says where else."""
    overrides = {name: CHANGED[name]}
    if name in FROM_WORKSPACE:
        assert merge(Settings(), overrides, EDITOR) == merge(Settings(), overrides, WORKSPACE)
        return
    with pytest.raises(ConfigError) as caught:
        merge(Settings(), overrides, WORKSPACE)
    assert f"repo/.fimls.toml: a workspace may not set '{name}'" == str(caught.value)
    assert "editor's settings" in caught.value.hint
    assert "command-line option" in caught.value.hint


def test_workspace_settings_lists_them() -> None:
    """Documentation gets the same list."""
    assert set(workspace_settings()) == FROM_WORKSPACE


@pytest.mark.parametrize("name", sorted(CHANGED))
def test_engine_key(name: str) -> None:
    """What the engine was made from needs another engine; budgets and triggers don't."""
    changed = merge(Settings(), {name: CHANGED[name]}, EDITOR)
    assert (name in RELOADING) == (engine_key(Settings()) != engine_key(changed))
    assert engine_key(changed) == engine_key(dataclasses.replace(changed))


def test_load_without_anything(tmp_path: Path) -> None:
    """No workspace, an empty one, and empty sources give the defaults."""
    assert Settings() == load(None)
    assert Settings() == load(tmp_path, {}, {})
    (tmp_path / "pyproject.toml").write_text("[tool.other]\nx = 1\n")
    assert Settings() == load(tmp_path)


def test_load_precedence(tmp_path: Path) -> None:
    """Files < editor < command line, key by key, .fimls.toml above pyproject.toml."""
    (tmp_path / "pyproject.toml").write_text(
        "[tool.fimls]\ncandidates = 1\nprefix_tokens = 101\nsuffix_tokens = 101\n"
        "snippet_tokens = 101\n"
    )
    (tmp_path / ".fimls.toml").write_bytes(
        b"\xef\xbb\xbfprefix_tokens = 102\nsuffix_tokens = 102\r\nsnippet_tokens = 102\n"
    )
    settings = load(
        tmp_path,
        {"suffix_tokens": 103, "snippet_tokens": 103},
        {"snippet_tokens": 104, "candidates": None},
    )
    expected = Settings(candidates=1, prefix_tokens=102, suffix_tokens=103, snippet_tokens=104)
    assert expected == settings


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (".fimls.toml", b"a = 1\nb = = 2\n", ".fimls.toml:2: "),
        (".fimls.toml", b"a = [\n1,\n", ".fimls.toml:3: "),
        (".fimls.toml", b"\n\na = '\xff'\n", ".fimls.toml:3: not UTF-8"),
        (".fimls.toml", b"a = " + b"[" * 100_000, "nested too deeply"),
        ("pyproject.toml", b"[tool.fimls\n", "pyproject.toml:1: "),
        ("pyproject.toml", b"[tool]\nfimls = 3\n", "[tool.fimls]: expected a table, got 3 (int)"),
        ("pyproject.toml", b"[tool.fimls]\nurl = 'http://evil'\n", "may not set 'url'"),
        (".fimls.toml", b"prefix_tokns = 1\n", "the nearest is 'prefix_tokens'"),
    ],
)
def test_load_refuses_a_broken_file(
    tmp_path: Path, file: str, content: bytes, message: str
) -> None:
    """The error names the file and, where there is one, the line."""
    (tmp_path / file).write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / file))
    assert caught.value.hint


def test_load_does_not_wait_for_a_pipe(tmp_path: Path) -> None:
    """A repository can't hang the server with a special file."""
    os.mkfifo(tmp_path / ".fimls.toml")
    assert Settings() == load(tmp_path)


def test_load_says_when_a_file_is_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that may not be read is an error, since its settings would be missing silently."""
    (tmp_path / ".fimls.toml").write_text("candidates = 1\n")

    def refuse(*_: object) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)
    with pytest.raises(ConfigError, match=r"\.fimls\.toml: can't be read: Permission denied"):
        load(tmp_path)


@pytest.mark.parametrize("options", [[1], "x", 3, True])
def test_load_refuses_options_of_another_type(options: Any) -> None:
    """LSP lets a client send any JSON."""
    with pytest.raises(ConfigError, match=r"editor settings.*: expected an object"):
        load(None, options)


def test_unknown_key_that_is_no_string() -> None:
    """Keys come from outside too."""
    with pytest.raises(ConfigError, match="unknown setting '3'"):
        merge(Settings(), {3: 1}, EDITOR)  # type: ignore[dict-item]
