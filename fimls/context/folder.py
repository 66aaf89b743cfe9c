"""One workspace folder: its files, its index, what changed in it, and searches."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fimls.context.exclusions import Exclusions
from fimls.context.files import Files
from fimls.context.index import Index
from fimls.context.indexer import Indexer, IndexState, database_path
from fimls.context.query import CountTokens, Query, Session
from fimls.context.reasons import Exclusion
from fimls.context.recent import Changes, Visit, Visits, regions
from fimls.context.secrets import redacted
from fimls.context.selection import Choice, select
from fimls.context.sources import retrieve
from fimls.types import Document


class Folder:
    """One workspace folder. All methods return at once; :meth:`work` returns what takes longer."""

    def __init__(
        self,
        path: Path,
        globs: Sequence[str],
        sources: Collection[str],
        cache_dir: Path | None,
    ) -> None:
        self.path = path.absolute()
        self._sources = frozenset(sources)
        self._exclusions = Exclusions(self.path, globs)
        self._files = Files(self.path, self._exclusions)
        database = database_path(self.path, cache_dir)
        self.index = Index(database)
        self._indexer = Indexer(self.path, database, globs)
        self._changes = Changes(self.path)
        self._visits = Visits()
        # One thread for work that nobody waits for.
        self._background = ThreadPoolExecutor(1, thread_name_prefix="fimls-background")
        self._waiting: set[str] = set()
        self._closed = False

    async def start(self) -> None:
        """Start to index, and ask git for the first time."""
        await self._indexer.start()
        self._later("secrets", functools.partial(redacted, ""))  # its first call is slow
        self._ask_git()

    async def aclose(self) -> None:
        """Stop the indexer, git and searches under way."""
        self._closed = True
        self._files.stop()
        self._changes.close()
        self._background.shutdown(wait=False, cancel_futures=True)
        await self._indexer.aclose()
        self.index.close()

    def relative(self, path: Path) -> str | None:
        """Return a path relative to this folder; None for one outside."""
        return path.relative_to(self.path).as_posix() if path.is_relative_to(self.path) else None

    def exclusion(self, path: str) -> Exclusion | None:
        """Return why a document is left out. A link out of the folder isn't, once it is open."""
        reason = self._exclusions.path_reason(self.path / path)
        return None if reason is Exclusion.OUTSIDE else reason

    def opened(self, path: str, document: Document) -> None:
        """Use a document's text instead of its file's."""
        self._files.open(path, document.text)
        self._visits.opened(path, document.text)
        self._later(
            "warm", functools.partial(self._warm, path, document.text, document.language_id)
        )

    def changed(self, path: str, text: str) -> None:
        """Use an open document's new text."""
        self._files.open(path, text)
        self._visits.changed(path, text)

    def closed(self, path: str) -> None:
        """Use the file's text on the disk again."""
        self._files.close(path)
        self._visits.closed(path)

    def files_changed(self, paths: Sequence[Path]) -> None:
        """Have files indexed again, and git asked."""
        self._indexer.update(paths)
        self._ask_git()

    @property
    def note(self) -> str:
        """Why the index or git doesn't know everything; "" if they do."""
        failed = self._indexer.state is IndexState.FAILED
        failure = f"index {self._index_state}" if failed else ""
        return "; ".join(filter(None, (self._indexer.note or failure, self._changes.note)))

    def status(self) -> dict[str, object]:
        """Describe the folder, for ``fimls why``."""
        return {
            "path": str(self.path),
            "index": self._index_state,
            "note": self._indexer.note,
            "files": self.index.files(),
            "changed regions": len(self._changes.regions),
            "git": self._changes.note,
        }

    def work(
        self, query: Query, budget_tokens: int, count_tokens: CountTokens
    ) -> Callable[[], Choice]:
        """Return the search for a query, which takes a while and may run in any thread."""
        visits = self._visits.latest(but=query.path)
        return functools.partial(self._search, query, visits, budget_tokens, count_tokens)

    def _search(
        self,
        query: Query,
        visits: tuple[Visit, ...],
        budget_tokens: int,
        count_tokens: CountTokens,
    ) -> Choice:
        session = Session(
            recent=regions(visits) if "recent" in self._sources else (),
            changed=self._changes.regions,
        )
        around, candidates = retrieve(query, self._files, self.index, session, self._sources)
        return select(candidates, around, budget_tokens=budget_tokens, count_tokens=count_tokens)

    @property
    def _index_state(self) -> str:
        state = self._indexer.state
        return f"{state}: {self._indexer.failure}" if state is IndexState.FAILED else str(state)

    def _ask_git(self) -> None:
        if "git" in self._sources:
            self._later("git", self._changes.refresh)

    def _warm(self, path: str, text: str, language_id: str) -> None:
        """Parse what a document imports before its first completion needs it."""
        query = Query(self.path, path, language_id, "", text, (0, 0))
        retrieve(query, self._files, self.index, sources=self._sources & {"imports"})

    def _later(self, name: str, work: Callable[[], object]) -> None:
        """Do something in the background, unless work with this name is waiting already."""
        if name in self._waiting or self._closed:
            return
        self._waiting.add(name)

        def run() -> None:
            self._waiting.discard(name)
            work()

        self._background.submit(run)
