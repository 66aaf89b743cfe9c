"""The snippets of an example: those that serving would choose at its cursor.

``ContextBuilder`` asks serving's own retrieval (:mod:`fimls.context`) with the middle taken out of
the file. ``RepositoryFiles`` holds the texts that it reads, and ``build_index`` makes the database
that lexical search needs.
"""

from __future__ import annotations

import itertools
import posixpath
import sqlite3
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from fimls.context.extract import extract
from fimls.context.files import SourceFile
from fimls.context.index import Window
from fimls.context.index_writer import Entry, IndexWriter, Stamp, delete_database
from fimls.context.query import CountTokens, Query
from fimls.context.selection import select
from fimls.context.sources import retrieve
from fimls.context.sources.base import Lookup
from fimls.fim import Budget
from fimls.syntax import language_of
from fimls.types import Snippet
from training.types import CorpusFile, DatasetError, Span

_NOTHING: frozenset[str] = frozenset()


class ContextBuilder:
    """Finds the snippets that a server would choose for spans of a repository's files.

    The files and the index hold the query's own file too, middle included; no snippet comes from
    there: like a server's open document, the file is its text without the middle, and searches
    leave it out. An editor's session (visits, uncommitted changes) has no counterpart in a
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

        hidden: paths of files that may not be read: held-out ones, for an example to learn from.
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


_CACHED_FILES = 512


class RepositoryFiles:
    """A repository's texts by path: the Reader of :mod:`fimls.context`, without a disk.

    Serving asks for each file whether it may be read; here all that may be read is given.

    others: paths that exist and may not be read.
    """

    def __init__(self, texts: Mapping[str, str], others: Iterable[str] = ()) -> None:
        self.texts = texts
        self._exist = {*texts, *others}
        self._children: dict[str, list[str]] = {}
        for path in sorted(self._exist):
            self._children.setdefault(posixpath.dirname(path), []).append(path)
        folders = [folder for folder in self._children if folder]
        for folder in folders:
            while (folder := posixpath.dirname(folder)) and folder not in self._children:
                self._children[folder] = []
        self._read: OrderedDict[str, SourceFile] = OrderedDict()

    def exists(self, path: str) -> bool:
        """Whether there is such a file, readable or not."""
        return posixpath.normpath(path) in self._exist

    def has_folder(self, path: str) -> bool:
        """Whether there is such a folder."""
        normal = posixpath.normpath(path)
        return normal == "." or normal in self._children

    def within(self, directory: str, suffixes: tuple[str, ...]) -> list[str]:
        """The files of a directory (not below it) whose names end so, sorted."""
        normal = posixpath.normpath(directory)
        found = self._children.get("" if normal == "." else normal, [])
        return [path for path in found if path.endswith(suffixes)]

    def read(self, path: str) -> SourceFile | None:
        """A file, None where there is none that may be read."""
        normal = posixpath.normpath(path)
        known = self._read.get(normal)
        if known is not None:
            self._read.move_to_end(normal)
            return known
        text = self.texts.get(normal)
        if text is None:
            return None
        file = self._read[normal] = SourceFile(normal, text)
        if len(self._read) > _CACHED_FILES:
            self._read.popitem(last=False)
        return file

    def text(self, path: str) -> str | None:
        """A file's text, None where there is none that may be read."""
        return self.texts.get(posixpath.normpath(path))


_BATCH_FILES = 500
_NO_STAMP = Stamp(0, 0, b"")  # nobody will check whether the files have changed


def build_index(database: Path, texts: Mapping[str, str]) -> None:
    """Make an index of some files, anew.

    Raises:
        DatasetError: the database can't be written.
    """
    try:
        delete_database(database)
        writer = IndexWriter(database)
        try:
            remaining = iter(texts.items())
            while batch := list(itertools.islice(remaining, _BATCH_FILES)):
                writer.write(
                    Entry(path, _NO_STAMP, extract(text.encode(), language_of(path)))
                    for path, text in batch
                )
        finally:
            writer.close()
    except (OSError, sqlite3.Error) as error:
        raise DatasetError(
            f"{database}: can't be written: {error}", hint="make room on the disk, then --resume"
        ) from error
