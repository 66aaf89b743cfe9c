from __future__ import annotations

import typer
from typer.core import TyperCommand

from fimls.cli.options import Invocation


def command_context(**overrides: object) -> typer.Context:
    """What a command is called with after these global options."""
    return typer.Context(TyperCommand("fimls"), obj=Invocation(overrides))
