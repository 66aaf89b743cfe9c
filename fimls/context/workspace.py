"""All workspace folders of an editor: its events go in, snippets come out."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from fimls.context.exclusions import Exclusions
from fimls.context.folder import Folder
from fimls.context.query import CountTokens, Query
from fimls.context.reasons import Exclusion
from fimls.context.selection import Choice, Frozen, Place, Selection, SelectionState
from fimls.context.sources import SOURCES
from fimls.text import has_word
from fimls.types import Document
from fimls.uris import local_path

_LOG = logging.getLogger(__name__)
_WORKERS = 2
_FROZEN_MAX = 64
_KNOWN_DOCUMENTS_MAX = 20
_KNOWN_BUDGET_S = 0.003
# Such files aren't read for other files' completions, but are completed when open in the editor.
_COMPLETED = frozenset(
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

Work = Callable[[], Choice]


class WorkspaceContext:
    """Finds the code in a workspace that helps to complete the code at a cursor.

    All methods except :meth:`select`, :meth:`start` and :meth:`aclose` return at once. All must be
    called from one event loop. A document outside all folders gets no context.

    documents: the open ones by URI, the last edited at the end. Their owner keeps the mapping up to
    date, and reports each event after it.
    """

    def __init__(
        self,
        documents: Mapping[str, Document],
        folders: Sequence[Path] = (),
        *,
        globs: Sequence[str] = (),
        sources: Collection[str] = SOURCES,
        cache_dir: Path | None = None,
    ) -> None:
        self._documents = documents
        self._cache_dir = cache_dir
        self._folders: list[Folder] = []
        self._globs: tuple[str, ...] = ()
        self._key: tuple[object, ...] = ()
        self._indexed = False
        self._exclusions: dict[str, Exclusion | None] = {}  # asked at each keystroke
        self._frozen: dict[str, Frozen] = {}
        self._running: dict[str, asyncio.Future[Choice]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="fimls-context")
        self._look_into(folders, globs, sources)

    def configure(
        self,
        folders: Sequence[Path],
        *,
        globs: Sequence[str] = (),
        sources: Collection[str] = SOURCES,
        index: bool = True,
    ) -> None:
        """Use these folders from now on; does nothing if nothing has changed.

        index: whether to index them, in the background.

        Raises:
            ConfigError: one of ``globs`` isn't a pattern.
        """
        key = (tuple(folders), tuple(globs), tuple(sources), index)
        if key == self._key:
            return
        self._key = key
        self._cancel_searches()
        self._frozen.clear()
        old, self._folders = self._folders, []
        for folder in old:
            self._spawn(folder.aclose())
        self._look_into(folders, globs, sources)
        if index and folders:
            self._spawn(self.start())

    def start(self) -> Coroutine[Any, Any, None]:
        """Start to index. Returns at once; until it is done, retrieval uses what is there."""
        self._indexed = True
        return _start(self._folders)

    async def aclose(self) -> None:
        """Stop the indexers and everything else that runs."""
        self._cancel_searches()
        self._pool.shutdown(wait=False, cancel_futures=True)
        await asyncio.gather(*(folder.aclose() for folder in self._folders))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ------------------------------------------------------------------------------------ events

    def opened(self, document: Document) -> None:
        """Handle a document that the editor opened."""
        self._exclusions.clear()
        if place := self._placed(document.uri):
            place[0].opened(place[1], document)

    def changed(self, document: Document) -> None:
        """Handle an edit."""
        if frozen := self._frozen.get(document.uri):
            frozen.active()
        place = self._placed(document.uri)
        if place is None:
            return
        folder, path = place
        folder.changed(path, document.text)
        for uri, frozen in self._frozen.items():
            if uri != document.uri:
                frozen.touched.add(path)

    def closed(self, uri: str) -> None:
        """Forget a document."""
        self._frozen.pop(uri, None)
        if place := self._placed(uri):
            place[0].closed(place[1])

    def saved(self, uri: str) -> None:
        """Handle a document that was written to its file."""
        self._exclusions.clear()
        if path := local_path(uri):
            self.files_changed([path])

    def files_changed(self, paths: Sequence[Path]) -> None:
        """Handle files that were written, created or deleted."""
        self._exclusions.clear()
        for folder in self._folders:
            if inside := [path for path in paths if folder.relative(path) is not None]:
                folder.files_changed(inside)

    # ----------------------------------------------------------------------------------- answers

    async def select(
        self,
        document: Document,
        offset: int,
        *,
        shown: tuple[int, int],
        budget_tokens: int,
        count_tokens: CountTokens,
        timeout_ms: float = 150,
    ) -> Selection:
        """Choose the snippets for a completion at ``offset``.

        shown: the prompt's window, from an offset of the prefix to an offset of the suffix. If the
        search takes longer than ``timeout_ms``, the document keeps its selection, or has none for
        now, and the next request finds the result.
        """
        began = time.perf_counter()
        if not self._folders:
            return _no_selection("switched off")
        place = self._placed(document.uri)
        if place is None:
            return _no_selection(Exclusion.OUTSIDE)
        if budget_tokens <= 0:
            return _no_selection("no budget")
        if reason := self._reason(document.uri):
            return _no_selection(reason)
        folder, path = place
        query = Query(
            folder=folder.path,
            path=path,
            language_id=document.language_id,
            prefix=document.text[:offset],
            suffix=document.text[offset:],
            shown=shown,
        )
        here = Place(query.prefix.count("\n"), query.suffix.count("\n"))
        frozen = self._frozen.get(document.uri)
        if frozen is not None:
            frozen.active()
        if frozen is not None and frozen.holds(here, budget_tokens):
            selection = replace(frozen.choice.selection, state=SelectionState.FROZEN)
        else:
            work = folder.work(query, budget_tokens, count_tokens)
            selection = await self._refresh(document.uri, work, budget_tokens, timeout_ms)
        elapsed_ms = (time.perf_counter() - began) * 1000
        return replace(selection, elapsed_ms=elapsed_ms, note=folder.note)

    def exclusion(self, uri: str) -> Exclusion | None:
        """Return why a document isn't completed; None if it may be.

        An open document is completed wherever it is, unless it is a secret, or settings or a
        .fimlsignore exclude it.
        """
        if uri not in self._exclusions:
            reason = self._reason(uri)
            self._exclusions[uri] = None if reason in _COMPLETED else reason
        return self._exclusions[uri]

    def known(self, names: Collection[str]) -> frozenset[str]:
        """Return the names that occur in open documents or in the index; takes a few ms at most."""
        if not self._folders:
            return frozenset()
        unknown, found = set(names), set[str]()
        until = time.perf_counter() + _KNOWN_BUDGET_S
        for document in [*self._documents.values()][: -_KNOWN_DOCUMENTS_MAX - 1 : -1]:
            here = {name for name in unknown if has_word(document.text, name)}
            found |= here
            unknown -= here
            if not unknown or time.perf_counter() > until:
                break
        for folder in self._folders:
            if unknown:
                indexed = folder.index.known(unknown)
                found |= indexed
                unknown -= indexed
        return frozenset(found)

    def status(self) -> dict[str, object]:
        """Describe the folders and documents, for ``fimls why``."""
        if not self._folders or not self._indexed:
            return {"state": "off"}
        return {
            "folders": [folder.status() for folder in self._folders],
            "documents": len(self._documents),
        }

    # ------------------------------------------------------------------------------------ inside

    def _look_into(
        self, folders: Sequence[Path], globs: Sequence[str], sources: Collection[str]
    ) -> None:
        self._exclusions.clear()
        self._indexed = False
        self._folders = [Folder(folder, globs, sources, self._cache_dir) for folder in folders]
        self._globs = tuple(globs)
        for document in self._documents.values():
            self.opened(document)

    def _reason(self, uri: str) -> Exclusion | None:
        """Return why a document isn't read for others and gets no context; None if it may be."""
        path = local_path(uri)
        if path is None:
            return None
        if place := self._placed(uri):
            return place[0].exclusion(place[1])
        return Exclusions(path.parent, self._globs).path_reason(path)

    def _cancel_searches(self) -> None:
        for future in self._running.values():
            future.cancel()
        self._running.clear()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _placed(self, uri: str) -> tuple[Folder, str] | None:
        """Return the innermost folder that contains a document, and its path there."""
        path = local_path(uri)
        if path is None:
            return None
        places = [
            (folder, inside)
            for folder in self._folders
            if (inside := folder.relative(path)) is not None
        ]
        return min(places, key=lambda place: len(place[1]), default=None)

    async def _refresh(
        self, uri: str, work: Work, budget_tokens: int, timeout_ms: float
    ) -> Selection:
        """Search for a selection, in time or for the next request; return the current one."""
        future = self._running.get(uri)
        if future is None:
            loop = asyncio.get_running_loop()
            future = loop.run_in_executor(self._pool, work)
            self._running[uri] = future
            future.add_done_callback(lambda done: self._finished(uri, done, budget_tokens))
        before = self._frozen.get(uri)
        kept = before.choice.selection if before else None
        # Not wait_for: the search goes on if this request is cancelled or times out.
        done, _ = await asyncio.wait([future], timeout=timeout_ms / 1000)
        after = self._frozen.get(uri)
        if after is None:
            return _no_selection(_why_none(future))
        selection = after.choice.selection
        is_new = done and selection is not kept
        return replace(selection, state=SelectionState.NEW if is_new else SelectionState.FROZEN)

    def _finished(self, uri: str, future: asyncio.Future[Choice], budget_tokens: int) -> None:
        if self._running.get(uri) is future:
            del self._running[uri]
        if future.cancelled():
            return
        if error := future.exception():
            # Without the message: an error's text may quote code.
            _LOG.warning("no context: retrieval failed with %s", type(error).__name__)
            return
        if uri not in self._frozen:
            self._frozen[uri] = Frozen(future.result(), budget_tokens)
            while len(self._frozen) > _FROZEN_MAX:
                del self._frozen[next(iter(self._frozen))]
        else:
            self._frozen[uri].offer(future.result(), budget_tokens)


async def _start(folders: Sequence[Folder]) -> None:
    for folder in folders:
        await folder.start()


def _no_selection(why: str) -> Selection:
    return Selection(state=SelectionState.NONE, why_none=why)


def _why_none(future: asyncio.Future[Choice]) -> str:
    if not future.done():
        return "late"
    return "closed" if future.cancelled() else "failed"
