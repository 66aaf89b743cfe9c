"""The `fimls` command itself: usage, options in any place, commands of other packages."""

from __future__ import annotations

import importlib
from collections.abc import Callable

import pytest
import typer

import fimls.cli
from fimls import __version__
from fimls.cli import app
from fimls.cli.options import command_of, hoist, parse_assignments
from tests.unit.cli.conftest import Fimls

BUILT_IN = ("complete", "pull")


def test_version(fimls: Fimls) -> None:
    """`--version` prints it."""
    outcome = fimls("--version")
    assert (0, f"fimls {__version__}\n") == (outcome.code, outcome.out)


def test_help_lists_the_commands(fimls: Fimls) -> None:
    """`--help` names every command."""
    outcome = fimls("--help")
    assert 0 == outcome.code
    for command in ("complete", "doctor", "prompt", "pull", "serve"):
        assert command in outcome.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("frobnicate",),
        ("complete",),
        ("complete", "x.py:1:1", "--frobnicate"),
        ("complete", "x.py:1:1", "-n", "0"),
        ("complete", "x.py:1:1", "--engine"),
        ("serve", "--stdio", "--tcp", "127.0.0.1:0"),
        ("serve", "--shared", "--tcp", "127.0.0.1:0"),
        ("serve", "--replace"),
        ("serve", "--tcp", "nowhere"),
        ("serve", "--tcp", "127.0.0.1:99999"),
    ],
    ids=" ".join,
)
def test_wrong_usage(fimls: Fimls, arguments: tuple[str, ...]) -> None:
    """Wrong usage is exit code 2, explained on standard error."""
    outcome = fimls(*arguments)
    assert (2, "") == (outcome.code, outcome.out)
    assert "Error" in outcome.err


def test_interrupted(fimls: Fimls, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends the command without a traceback, as shells expect."""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    # By import_module: the package has a function by the module's name too.
    monkeypatch.setattr(importlib.import_module("fimls.cli.pull"), "list_models", interrupt)
    outcome = fimls("pull", "--list")
    assert (130, "") == (outcome.code, outcome.out)
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("complete x --model m", "--model m complete x"),
        ("complete --model=m x", "--model=m complete x"),
        ("--engine e complete x --set a=1 --set b=2", "--engine e --set a=1 --set b=2 complete x"),
        ("complete x -- --model m", "complete x -- --model m"),
        ("complete x --model", "--model complete x"),
        ("train complete --model m", "train complete --model m"),
        ("--model complete pull", "--model complete pull"),
        ("", ""),
    ],
)
def test_hoist(arguments: str, expected: str) -> None:
    """Global options move in front of a built-in command; other commands keep theirs."""
    assert expected.split() == hoist(arguments.split(), BUILT_IN)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("complete x", "complete"),
        ("--model complete pull", "pull"),
        ("--model=m pull", "pull"),
        ("--version", None),
        ("train serve", "train"),
        ("", None),
    ],
)
def test_command_of(arguments: str, expected: str | None) -> None:
    """The command is the first word that is neither an option nor a global option's value."""
    assert expected == command_of(arguments.split())


def test_parse_assignments() -> None:
    """Values are read as JSON where they can be, else as they are."""
    given = ["a=1", "b=true", "c=x=y", 'd=["p", "q"]', "e=", 'f="1"', " g =0.5"]
    expected = {"a": 1, "b": True, "c": "x=y", "d": ["p", "q"], "e": "", "f": "1", "g": 0.5}
    assert expected == parse_assignments(given)


class Plugin:
    """An entry point of another package, which notes that it was loaded."""

    def __init__(self) -> None:
        self.loaded = 0

    def load(self) -> Callable[[typer.Typer], None]:
        """Count, and give what the entry point names."""
        self.loaded += 1
        return self.add_commands

    def add_commands(self, application: typer.Typer) -> None:
        """Add a command with an option of its own by a global option's name."""

        @application.command()
        def train(repository: str, model: str = "none") -> None:
            print(f"training on {repository} from {model}")  # noqa: T201


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Plugin:
    """A package installed beside fimls that adds `fimls train`."""
    one = Plugin()
    monkeypatch.setattr(
        fimls.cli, "entry_points", lambda group: [one] * (group == "fimls.commands")
    )
    monkeypatch.setattr(app, "registered_commands", list(app.registered_commands))
    return one


def test_plugin_command(fimls: Fimls, plugin: Plugin) -> None:
    """Other packages add commands, and a repository may be called like a built-in one."""
    outcome = fimls("train", "serve", "--model", "m")
    assert (0, "training on serve from m\n") == (outcome.code, outcome.out)


def test_plugins_are_not_loaded_for_built_in_commands(fimls: Fimls, plugin: Plugin) -> None:
    """Start-up is latency: other packages are imported only for their own commands."""
    fimls("pull", "--list")
    assert 0 == plugin.loaded
    fimls("--help")
    assert 1 == plugin.loaded


@pytest.mark.parametrize("missing", ["training", "pyarrow"])
def test_a_missing_package_is_named(
    fimls: Fimls, plugin: Plugin, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    """Without training, or a library that it needs, a line says what to install."""

    def load() -> None:
        raise ModuleNotFoundError(name=missing)

    monkeypatch.setattr(plugin, "load", load)
    if missing == "training":
        monkeypatch.setattr(importlib.import_module("fimls.cli"), "entry_points", lambda **_: [])
    outcome = fimls("bench", "keystrokes", ".")
    assert (1, "") == (outcome.code, outcome.out)
    assert [
        f"error: `fimls bench` needs {missing}, which isn't installed",
        'hint: pip install "fimls[train]"',
    ] == outcome.err.splitlines()
