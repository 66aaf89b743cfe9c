"""The workspace's other files behind the editor: follows its folders, documents and settings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from fimls.config import Settings
from fimls.context import SOURCES, Exclusion, Selection, WorkspaceContext
from fimls.types import Document

_SWITCHED_OFF = Selection((), (), "none: switched off", 0.0)
# Why a file isn't read for others: it may well be open in the editor and be completed.
_ONLY_FOR_OTHERS = frozenset(
    {
        Exclusion.GITIGNORE,
        Exclusion.MADE,
        Exclusion.DATA,
        Exclusion.OUTSIDE,
        Exclusion.GENERATED,
        Exclusion.MINIFIED,
        Exclusion.TOO_LARGE,
        Exclusion.BINARY,
        Exclusion.ENCODING,
    }
)


class Neighbours:
    """A :class:`fimls.context.WorkspaceContext` that is replaced when folders or settings change.

    It is what completers ask (``fimls.completer.ContextSource``), whichever is current.
    """

    def __init__(self) -> None:
        self._context: WorkspaceContext | None = None
        self._documents: dict[str, Document] = {}
        self._exclusions: dict[str, str | None] = {}  # asked at each keystroke
        self._key: tuple[object, ...] = ()
        self._indexed = False
        self._tasks: set[asyncio.Task[None]] = set()

    def configure(self, folders: Sequence[Path], settings: Settings) -> None:
        """Look into these folders; nothing happens if that is so already."""
        key = (tuple(folders), settings.exclude, settings.context, settings.context_off)
        if key == self._key:
            return
        self._key = key
        self._exclusions.clear()
        old, self._context = self._context, None
        if old is not None:
            self._spawn(old.aclose())
        if not folders:
            return
        off = set(settings.context_off) if settings.context else set(SOURCES)
        sources = tuple(name for name in SOURCES if name not in off)
        self._context = WorkspaceContext(folders, globs=settings.exclude, sources=sources)
        for document in self._documents.values():
            self._context.opened(document)
        self._indexed = settings.context
        if settings.context:
            self._spawn(self._context.start())

    def opened(self, document: Document) -> None:
        """A document was opened."""
        self._exclusions.clear()
        self._documents[document.uri] = document
        if self._context is not None:
            self._context.opened(document)

    def changed(self, document: Document) -> None:
        """A document was edited."""
        self._documents[document.uri] = document
        if self._context is not None:
            self._context.changed(document)

    def closed(self, uri: str) -> None:
        """A document was closed."""
        self._documents.pop(uri, None)
        if self._context is not None:
            self._context.closed(uri)

    def saved(self, uri: str) -> None:
        """A document was written to disk."""
        self._exclusions.clear()
        if self._context is not None:
            self._context.saved(uri)

    def files_changed(self, paths: Sequence[Path]) -> None:
        """Files were created, changed or deleted by others."""
        self._exclusions.clear()
        if self._context is not None:
            self._context.files_changed(paths)

    def set_clipboard(self, text: str) -> None:
        """Something was copied in the editor."""
        if self._context is not None:
            self._context.set_clipboard(text)

    async def select(
        self,
        document: Document,
        offset: int,
        *,
        shown: tuple[int, int],
        budget_tokens: int,
        count_tokens: Callable[[str], int],
        timeout_ms: float,
    ) -> Selection:
        """See :class:`fimls.completer.ContextSource`."""
        if self._context is None:
            return _SWITCHED_OFF
        return await self._context.select(
            document,
            offset,
            shown=shown,
            budget_tokens=budget_tokens,
            count_tokens=count_tokens,
            timeout_ms=timeout_ms,
        )

    def known(self, names: Collection[str]) -> frozenset[str]:
        """See :class:`fimls.completer.ContextSource`."""
        return self._context.known(names) if self._context is not None else frozenset()

    def exclusion(self, uri: str) -> str | None:
        """See :class:`fimls.completer.ContextSource`."""
        if self._context is None:
            return None
        if uri not in self._exclusions:
            reason = self._context.exclusion(uri)
            self._exclusions[uri] = None if reason in _ONLY_FOR_OTHERS else reason
        return self._exclusions[uri]

    def status(self) -> dict[str, Any]:
        """What is known of the workspace."""
        if self._context is None or not self._indexed:
            return {"state": "off"}
        return dict(self._context.status())

    async def aclose(self) -> None:
        """End the index's process."""
        if self._context is not None:
            await self._context.aclose()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
