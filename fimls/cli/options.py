"""The global options, and the settings they amount to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from fimls import config
from fimls.config import Settings

GLOBAL_OPTIONS = ("--engine", "--model", "--adapter", "--url", "--set")
"""Each takes a value."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """What was set on the command line."""

    overrides: Mapping[str, object]

    def settings(self, workspace: Path | None, **defaults: object) -> Settings:
        """The settings of a command run in ``workspace``.

        defaults: what this command prefers where the command line says nothing.

        Raises:
            ConfigError: a setting is unknown or out of range.
        """
        return config.load(workspace, command_line={**defaults, **self.overrides})


def parse_assignments(assignments: Iterable[str]) -> dict[str, object]:
    """``KEY=VALUE`` pairs; a value is JSON where it can be read so (numbers, true, lists).

    Raises:
        typer.BadParameter: there is no ``=``.
    """
    parsed: dict[str, object] = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise typer.BadParameter(f"--set takes KEY=VALUE, not {assignment!r}")
        try:
            parsed[key.strip()] = json.loads(value)
        except ValueError:
            parsed[key.strip()] = value
    return parsed


def command_of(arguments: Sequence[str]) -> str | None:
    """The command: the first word that is neither an option nor a global option's value."""
    words = iter(arguments)
    for word in words:
        if word in GLOBAL_OPTIONS:
            next(words, None)
        elif not word.startswith("-"):
            return word
    return None


def hoist(arguments: Sequence[str], commands: Iterable[str]) -> list[str]:
    """Move global options in front of the command, so that they may be written after it too.

    Only for ``commands``: those of other packages have options of their own by these names.
    """
    if command_of(arguments) not in set(commands):
        return list(arguments)
    words = iter(arguments)
    front: list[str] = []
    rest: list[str] = []
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word in GLOBAL_OPTIONS:
            value = next(words, None)
            front += [word] if value is None else [word, value]
        elif word.partition("=")[0] in GLOBAL_OPTIONS:
            front.append(word)
        else:
            rest.append(word)
    return [*front, *rest]
