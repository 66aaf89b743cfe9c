"""Other files' context for one command: what a server would find, without its indexing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fimls.cli.position import Place
from fimls.config import Settings
from fimls.context import SOURCES, WorkspaceContext


@asynccontextmanager
async def neighbours(place: Place, settings: Settings) -> AsyncIterator[WorkspaceContext]:
    """The context of a file's workspace. Its index is used as the last server left it."""
    off = set(settings.context_off) if settings.context else set(SOURCES)
    sources = tuple(name for name in SOURCES if name not in off)
    context = WorkspaceContext([place.workspace], globs=settings.exclude, sources=sources)
    context.opened(place.document)
    try:
        yield context
    finally:
        await context.aclose()
