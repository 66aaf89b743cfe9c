"""The snippets of an example: serving's retrieval, asked with the middle taken out of the file."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from fimls.context.files import SourceFile
from fimls.context.index import Window
from fimls.context.query import CountTokens, Query
from fimls.context.selection import select
from fimls.context.sources import retrieve
from fimls.context.sources.base import Lookup
from fimls.fim import Budget
from fimls.types import Snippet
from training.examples.files import RepositoryFiles
from training.types import CorpusFile, Span

_NOTHING: frozenset[str] = frozenset()


class ContextBuilder:
    """Finds for spans of a repository's files what a server would show beside them.

    The files and the index hold the query's own file too, middle included; no snippet comes from
    there: the file is what an open document is to a server, its text without the middle, and
    searches leave it out. An editor's session (visits, uncommitted changes) has no counterpart in a
    corpus; that is retrieval's own default.

    budget, count_tokens: of the models that will be trained, so that what is chosen fits.
    """

    def __init__(
        self,
        folder: Path,
        files: RepositoryFiles,
        index: Lookup,
        *,
        budget: Budget,
        count_tokens: CountTokens,
    ) -> None:
        self._folder = folder
        self._files = files
        self._index = index
        self._budget = budget
        self._count_tokens = count_tokens

    def snippets(
        self, file: CorpusFile, span: Span, *, hidden: Collection[str] = _NOTHING
    ) -> tuple[Snippet, ...]:
        """The snippets for a cursor at the span's start, in prompt order.

        hidden: paths that may not be looked into: held-out files, for an example that is learnt.
        """
        query = Query(
            folder=self._folder,
            path=file.path,
            language_id=file.language_id,
            prefix=file.text[: span.start],
            suffix=file.text[span.end :],
            shown=self._budget.reach(span.start),
        )
        files = _Open(self._files, query, hidden)
        around, candidates = retrieve(query, files, _Visible(self._index, hidden))
        choice = select(
            candidates,
            around,
            budget_tokens=self._budget.snippet_tokens,
            count_tokens=self._count_tokens,
        )
        return choice.selection.snippets


class _Open:
    """A repository's files with one of them open in an editor, and some hidden."""

    def __init__(self, files: RepositoryFiles, query: Query, hidden: Collection[str]) -> None:
        self._files = files
        self._document = SourceFile(query.path, query.prefix + query.suffix)
        self._hidden = hidden
        self.exists = files.exists
        self.has_folder = files.has_folder
        self.within = files.within

    def read(self, path: str) -> SourceFile | None:
        """A file, the open document as it is without its middle."""
        file = self._files.read(path)
        if file is None or file.path in self._hidden:
            return None
        return self._document if file.path == self._document.path else file

    def text(self, path: str) -> str | None:
        """A file's text, None where there is none that may be read."""
        file = self.read(path)
        return file.text if file else None


class _Visible:
    """An index that finds nothing in hidden files."""

    def __init__(self, index: Lookup, hidden: Collection[str]) -> None:
        self._index = index
        self._hidden = hidden

    def search(
        self, words: Sequence[str], *, limit: int, exclude: Collection[str] = ()
    ) -> list[Window]:
        """Windows of files that hold many of the words, best first."""
        return self._index.search(words, limit=limit, exclude={*exclude, *self._hidden})

    def defining_files(self, names: Collection[str], *, limit: int = 8) -> dict[str, list[str]]:
        """For each name the paths of files that define it."""
        found = self._index.defining_files(names, limit=limit)
        visible = {
            name: [path for path in paths if path not in self._hidden]
            for name, paths in found.items()
        }
        return {name: paths for name, paths in visible.items() if paths}
