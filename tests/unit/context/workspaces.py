"""Small workspaces, and what stands in for the index and the tokenizer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fimls.context.exclusions import Exclusions
from fimls.context.files import Files
from fimls.context.index import Window
from fimls.context.query import Candidate, Query, Session
from fimls.context.selection import Choice, select
from fimls.context.sources import SOURCES, retrieve
from fimls.syntax import language_of

CURSOR = "\N{FULL BLOCK}"


@dataclass
class FakeIndex:
    """An index with given answers. searched: the words of each search."""

    definitions: Mapping[str, list[str]] = field(default_factory=dict)
    windows: Sequence[Window] = ()
    searched: list[list[str]] = field(default_factory=list)

    def search(
        self, words: Sequence[str], *, limit: int, exclude: Collection[str] = ()
    ) -> list[Window]:
        """Return the given windows."""
        self.searched.append(list(words))
        return [window for window in self.windows if window.path not in exclude][:limit]

    def defining_files(self, names: Collection[str], *, limit: int = 8) -> dict[str, list[str]]:
        """Return the given files."""
        return {name: self.definitions[name][:limit] for name in names if name in self.definitions}


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write files below a folder."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def query(folder: Path, path: str, code: str, shown_chars: int = 10_000) -> Query:
    """A query at the cursor in ``code``; shown_chars: how far the window reaches, each way."""
    prefix, suffix = code.split(CURSOR)
    return Query(
        folder=folder,
        path=path,
        language_id=language_of(path),
        prefix=prefix,
        suffix=suffix,
        shown=(max(0, len(prefix) - shown_chars), min(len(suffix), shown_chars)),
    )


def candidates(
    asked: Query,
    source: str,
    index: FakeIndex | None = None,
    session: Session | None = None,
) -> list[Candidate]:
    """What one source finds."""
    files = Files(asked.folder, Exclusions(asked.folder))
    found = retrieve(asked, files, index or FakeIndex(), session or Session(), {source})
    return found[1]


def picked(
    asked: Query,
    index: FakeIndex | None = None,
    session: Session | None = None,
    budget_tokens: int = 256,
    sources: Collection[str] = SOURCES,
) -> Choice:
    """What is chosen, where a token is a word."""
    files = Files(asked.folder, Exclusions(asked.folder))
    around, found = retrieve(asked, files, index or FakeIndex(), session or Session(), sources)
    return select(
        found,
        around,
        budget_tokens=budget_tokens,
        count_tokens=count_words,
        redact=lambda text, _path: text,
    )


def count_words(text: str) -> int:
    """A tokenizer's stand-in."""
    return len(text.split())


def texts(chosen: Choice) -> dict[str, str]:
    """The snippets' texts by their paths, in prompt order."""
    return {snippet.path: snippet.text for snippet in chosen.selection.snippets}
