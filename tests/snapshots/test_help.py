"""What ``--help`` says, of every command."""

from __future__ import annotations

import re
from pathlib import Path

from tests.snapshots.stored import compare, run

COMMANDS = (
    "",
    "complete",
    "prompt",
    "why",
    "pull",
    "doctor",
    "stats",
    "serve",
    "bench",
    "bench keystrokes",
    "prepare",
    "train",
    "eval",
    "export",
    "adapters",
    "adapters list",
    "adapters add",
    "adapters remove",
    "adapters promote",
    "adapters rollback",
)

# So wide that nothing is wrapped: where lines break is up to the library that prints them.
_WIDE = {"COLUMNS": "500"}
# One process for all: most of their time is its start.
_ASK_EACH = """
import runpy, sys
for command in sys.argv[1:]:
    sys.argv = ["fimls", *command.split(), "--help"]
    try:
        runpy.run_module("fimls", run_name="__main__")
    except SystemExit:
        print(end="\\f\\n")
"""
_BOX = re.compile(r"[\u2500-\u257f]+")
# The library's own names of types, which it has changed before.
_TYPE = re.compile(
    r"<(?:list\[)?(?:bool|float|int|[Pp]ath|str)(?: range)?\]?>"
    r"|(?<!\S)(?:TEXT|(?:INTEGER|FLOAT)(?: RANGE)?|BOOLEAN)(?!\S)"
)
_CHOICES = re.compile(r"[<[](\w+(?:\|\w+)+)[]>]")


def words(text: str) -> str:
    """Return what is said without how it is drawn: no boxes, no columns, no names of types."""
    rows = (_TYPE.sub(" ", _CHOICES.sub(r"\1", _BOX.sub(" ", row))) for row in text.splitlines())
    solid = (" ".join(row.split()) for row in rows)
    return "\n".join(row for row in solid if row)


def test_every_command(tmp_path: Path) -> None:
    """Commands, their options, defaults and descriptions are those that are stored."""
    printed = run(tmp_path, "-c", _ASK_EACH, *COMMANDS, variables=_WIDE)
    pages = [words(page) for page in printed.split("\f\n")[:-1]]
    assert len(COMMANDS) == len(pages)
    compare("help.txt", "\n\n".join(pages) + "\n")
