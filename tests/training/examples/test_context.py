"""Snippets of examples: serving's own, and nothing of the file's own middle."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fimls.context.exclusions import Exclusions
from fimls.context.files import Files
from fimls.context.index import Index
from fimls.context.query import Query
from fimls.context.secrets import redacted
from fimls.context.selection import select
from fimls.context.sources import retrieve
from fimls.fim import Budget
from fimls.types import Snippet
from training.examples import ContextBuilder, RepositoryFiles, build_index
from training.types import CorpusFile, Span, SpanKind

STORE = '''"""Stores."""


class Store:
    """Keeps values."""

    def __init__(self, path: str) -> None:
        self.path = path

    def fetch_value(self, key: str) -> str:
        """Return a value."""
        return self.path + key
'''
WORKER = '''"""Workers."""

from app.store import Store


def collect_totals(store: Store, first_key: str, second_key: str) -> str:
    """Join two values."""
    joined_value = store.fetch_value(first_key)
    return joined_value + store.fetch_value(second_key)
'''
ALIKE = '''"""Reports."""

from app.store import Store


def print_totals(store: Store, first_key: str, second_key: str) -> None:
    """Print two values."""
    joined_value = store.fetch_value(first_key)
    print(joined_value, first_key, second_key)
'''
TEXTS = {
    "app/__init__.py": "",
    "app/store.py": STORE,
    "app/worker.py": WORKER,
    "app/report.py": ALIKE,
    "app/tests/test_worker.py": "from app.worker import collect_totals\n",
}
BUDGET = Budget()


def count_tokens(text: str) -> int:
    """About as a tokenizer would."""
    return len(text) // 3


def a_file(path: str) -> CorpusFile:
    """One of the repository's files."""
    return CorpusFile("app", "", path, "python", "MIT", TEXTS[path])


def a_span(text: str, middle: str) -> Span:
    """Where a middle is."""
    start = text.index(middle)
    return Span(start, start + len(middle), SpanKind.BODY)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The repository on disk."""
    for path, text in TEXTS.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


@pytest.fixture
def index(folder: Path) -> Iterator[Index]:
    """Its index, outside of it."""
    database = folder.parent / f"{folder.name}-index" / "words.sqlite"
    build_index(database, TEXTS)
    index = Index(database)
    yield index
    index.close()


@pytest.fixture
def builder(folder: Path, index: Index) -> ContextBuilder:
    """Finds contexts in the repository."""
    return ContextBuilder(
        folder, RepositoryFiles(TEXTS), index, budget=BUDGET, count_tokens=count_tokens
    )


def served(folder: Path, index: Index, path: str, span: Span) -> tuple[Snippet, ...]:
    """The snippets a server would choose, with the file open as it is without its middle."""
    text = TEXTS[path]
    query = Query(
        folder, path, "python", text[: span.start], text[span.end :], BUDGET.reach(span.start)
    )
    files = Files(folder, Exclusions(folder))
    files.open(path, query.prefix + query.suffix)
    around, candidates = retrieve(query, files, index)
    choice = select(
        candidates,
        around,
        budget_tokens=BUDGET.snippet_tokens,
        count_tokens=count_tokens,
        redact=redacted,
    )
    return choice.selection.snippets


@pytest.mark.parametrize("path", ["app/worker.py", "app/report.py"])
@pytest.mark.parametrize("middle", ["store.fetch_value(first_key)", "joined_value = store.fetch"])
def test_snippets_are_those_of_serving(
    folder: Path, index: Index, builder: ContextBuilder, path: str, middle: str
) -> None:
    """An example's snippets are what a server would show at that cursor, to the character."""
    span = a_span(TEXTS[path], middle)
    found = builder.snippets(a_file(path), span)
    assert found
    assert served(folder, index, path, span) == found


def test_no_snippet_is_of_the_file_itself(builder: ContextBuilder) -> None:
    """The index and the files hold the middle; what is found for it never does."""
    middle = WORKER[WORKER.index("    joined") :].strip()
    found = builder.snippets(a_file("app/worker.py"), a_span(WORKER, middle))
    assert found
    for snippet in found:
        assert middle not in snippet.text
        assert "collect_totals" not in snippet.text
    assert "app/worker.py" not in {snippet.path for snippet in found}


def test_a_definition_in_the_middle_is_not_known(builder: ContextBuilder) -> None:
    """A class that is the middle isn't described in its own snippets."""
    middle = STORE[STORE.index("    def fetch_value") :]
    found = builder.snippets(a_file("app/store.py"), a_span(STORE, middle))
    assert not any("def fetch_value" in snippet.text for snippet in found)


def test_hidden_files_are_never_shown(builder: ContextBuilder) -> None:
    """An example to learn from sees nothing of held-out files."""
    span = a_span(WORKER, "store.fetch_value(first_key)")
    hidden = {"app/store.py", "app/report.py"}
    assert hidden & {one.path for one in builder.snippets(a_file("app/worker.py"), span)}
    shown = builder.snippets(a_file("app/worker.py"), span, hidden=hidden)
    assert not hidden & {one.path for one in shown}


@pytest.mark.parametrize(
    "path", ["app", "app/store.py", "./app/store.py", "app/../app/store.py", "..", "", "none.py"]
)
def test_files_in_memory_are_as_on_disk(folder: Path, path: str) -> None:
    """Questions about files and folders have the answers that the disk gives."""
    disk, memory = Files(folder, Exclusions(folder)), RepositoryFiles(TEXTS)
    assert disk.exists(path) == memory.exists(path)
    assert disk.has_folder(path) == memory.has_folder(path)
    assert disk.within(path, (".py",)) == memory.within(path, (".py",))
    assert disk.text(path) == memory.text(path)


def test_files_that_may_not_be_read_exist() -> None:
    """A file that was dropped has a name and no text."""
    files = RepositoryFiles(TEXTS, others=["app/generated.py"])
    assert files.exists("app/generated.py")
    assert files.read("app/generated.py") is None
    assert "app/generated.py" in files.within("app", (".py",))
