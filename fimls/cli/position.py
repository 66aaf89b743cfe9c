"""``FILE:LINE:COL`` on the command line, and the workspace around that place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import typer

from fimls.config import Settings
from fimls.context import WorkspaceContext
from fimls.syntax import language_of
from fimls.text import LineIndex, read_document
from fimls.types import Document

PATIENCE_MS = 5000.0
"""How long a command waits for snippets: longer than a keystroke does, since nobody is typing."""


@dataclass(frozen=True, slots=True)
class Place:
    """A cursor in a file."""

    document: Document
    offset: int
    """In code points."""

    path: str
    """As prompts show it."""

    workspace: Path


def read_place(argument: str) -> Place:
    """Read the file and find the offset.

    Raises:
        typer.BadParameter: the argument isn't FILE:LINE:COL.
        DocumentError: the file can't be read as text, or the position is outside it.
    """
    name, line, column = _split(argument)
    path = Path(name)
    document = read_document(path, language_of(path))
    offset = LineIndex(document.text).strict_offset(line, column)
    workspace = find_workspace(path.resolve())
    return Place(document, offset, path.resolve().relative_to(workspace).as_posix(), workspace)


def find_workspace(file: Path) -> Path:
    """The nearest folder above ``file`` that is a repository or has settings; else its own."""
    marks = (".git", ".fimls.toml", "pyproject.toml")
    found = (folder for folder in file.parents if any((folder / mark).exists() for mark in marks))
    return next(found, file.parent)


@asynccontextmanager
async def workspace_context(place: Place, settings: Settings) -> AsyncIterator[WorkspaceContext]:
    """Open the context of a place's workspace. Its index is used as the last server left it."""
    context = WorkspaceContext(
        {place.document.uri: place.document},
        [place.workspace],
        globs=settings.exclude,
        sources=settings.snippet_sources,
    )
    try:
        yield context
    finally:
        await context.aclose()


def _split(argument: str) -> tuple[str, int, int]:
    try:
        name, line, column = argument.rsplit(":", 2)
        place = name, int(line), int(column)
    except ValueError:
        raise typer.BadParameter(f"expected FILE:LINE:COL, got {argument!r}") from None
    if min(place[1:]) < 1:
        raise typer.BadParameter("LINE and COL count from 1")
    return place
