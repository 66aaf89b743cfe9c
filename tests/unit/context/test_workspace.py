from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from fimls.context import Selection, WorkspaceContext
from fimls.context.folder import Folder
from fimls.context.indexer import IndexState
from fimls.types import Document
from tests.completer_doubles import until
from tests.unit.context.workspaces import CURSOR, count_words, write

MODELS = "def load_items(path: str) -> list[str]:\n    return []\n"
MAIN = f"from models import load_items\n\n\ndef main(path):\n    items = {CURSOR}\n"
PATIENT_MS = 60_000


class FakeIndexer:
    """An indexer that only records updates."""

    state = IndexState.READY
    failure = ""
    note = ""

    def __init__(self, *_arguments: object) -> None:
        self.updated: list[Path] = []

    async def start(self) -> None:
        """Start nothing."""

    def update(self, paths: list[Path]) -> None:
        """Take note."""
        self.updated += paths

    async def aclose(self) -> None:
        """Close nothing."""


@pytest.fixture
def _no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fimls.context.folder.Indexer", FakeIndexer)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A workspace of two files."""
    folder = tmp_path / "work"
    write(folder, {"models.py": MODELS, "main.py": MAIN.replace(CURSOR, "")})
    return folder


@pytest.fixture
def documents() -> dict[str, Document]:
    """The open documents; none yet."""
    return {}


@pytest.fixture
async def context(
    folder: Path, tmp_path: Path, documents: dict[str, Document], _no_process: None
) -> AsyncIterator[WorkspaceContext]:
    """A context for the workspace, without a process that indexes it."""
    context = WorkspaceContext(documents, [folder], cache_dir=tmp_path / "cache")
    await context.start()
    yield context
    await context.aclose()


def document(path: Path, code: str, version: int = 1) -> Document:
    """An open document."""
    return Document(path.as_uri(), "python", version, code.replace(CURSOR, ""))


async def ask(
    context: WorkspaceContext,
    path: Path,
    code: str,
    *,
    timeout_ms: float = PATIENT_MS,
    count: Callable[[str], int] = count_words,
    budget_tokens: int = 256,
) -> Selection:
    """Select at the cursor in ``code``."""
    offset = code.index(CURSOR)
    return await context.select(
        document(path, code),
        offset,
        shown=(0, len(code) - offset - 1),
        budget_tokens=budget_tokens,
        count_tokens=count,
        timeout_ms=timeout_ms,
    )


def texts(selection: Selection) -> list[str]:
    """The snippets' texts."""
    return [snippet.text for snippet in selection.snippets]


async def test_selected_once_then_frozen(context: WorkspaceContext, folder: Path) -> None:
    """While somebody types, every request gets the very same snippets, at once."""
    first = await ask(context, folder / "main.py", MAIN)
    assert ("new", ["def load_items(path: str) -> list[str]: ...\n"]) == (first.state, texts(first))
    code = MAIN
    for typed in "load_items(path)\n    for item in items:\n":
        code = code.replace(CURSOR, typed + CURSOR)
        context.changed(document(folder / "main.py", code))
        selection = await ask(context, folder / "main.py", code, timeout_ms=0)
        assert ("frozen", first.snippets) == (selection.state, selection.snippets)


async def test_too_late_is_for_the_next_request(context: WorkspaceContext, folder: Path) -> None:
    """A search that takes longer than it may goes on, and its result is there next time."""
    go = threading.Event()

    def slow(text: str) -> int:
        go.wait(60)
        return count_words(text)

    selection = await ask(context, folder / "main.py", MAIN, timeout_ms=20, count=slow)
    assert ("none: late", ()) == (selection.summary, selection.snippets)
    go.set()
    selection = await ask(context, folder / "main.py", MAIN)
    assert 1 == len(selection.snippets)


async def test_a_cancelled_request(context: WorkspaceContext, folder: Path) -> None:
    """An editor cancels with each keystroke; the search goes on for the next one."""
    calls = []
    go = threading.Event()

    def counted(text: str) -> int:
        calls.append(text)
        go.wait(60)
        return count_words(text)

    request = asyncio.ensure_future(ask(context, folder / "main.py", MAIN, count=counted))
    await until(lambda: calls)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    go.set()
    selection = await ask(context, folder / "main.py", MAIN, count=counted)
    assert 1 == len(selection.snippets)
    assert 2 == len(calls), "the search ran once: a path and a signature were counted"


async def test_documents_do_not_wait_for_each_other(
    context: WorkspaceContext, folder: Path
) -> None:
    """A slow search for one document leaves another's as it is."""
    go = threading.Event()

    def slow(text: str) -> int:
        go.wait(60)
        return count_words(text)

    held = asyncio.ensure_future(ask(context, folder / "main.py", MAIN, count=slow))
    selection = await ask(context, folder / "other.py", MAIN)
    assert 1 == len(selection.snippets)
    assert not held.done()
    go.set()
    assert 1 == len((await held).snippets)


async def test_an_open_document_wins_over_its_file(context: WorkspaceContext, folder: Path) -> None:
    """Unsaved text of one document appears in the prompt of another."""
    opened = document(folder / "models.py", MODELS)
    context.opened(opened)
    first = await ask(context, folder / "main.py", MAIN)
    context.changed(document(folder / "models.py", MODELS.replace("path: str", "path: Path"), 2))
    second = await ask(context, folder / "main.py", MAIN)
    assert ["def load_items(path: str) -> list[str]: ...\n"] == texts(first)
    assert ("new", ["def load_items(path: Path) -> list[str]: ...\n"]) == (
        second.state,
        texts(second),
    )
    context.closed(opened.uri)
    context.closed(document(folder / "main.py", MAIN).uri)
    assert texts(first) == texts(await ask(context, folder / "main.py", MAIN))


async def test_an_edit_elsewhere_that_changes_nothing(
    context: WorkspaceContext, folder: Path
) -> None:
    """Another document's edit alone doesn't cost the prompt its cache."""
    first = await ask(context, folder / "main.py", MAIN)
    context.changed(document(folder / "notes.py", "x = 1\n"))
    second = await ask(context, folder / "main.py", MAIN)
    assert ("frozen", first.snippets) == (second.state, second.snippets)


async def test_another_place(context: WorkspaceContext, folder: Path) -> None:
    """In another function far away, what is needed there is chosen."""
    write(folder, {"rates.py": "class Rates:\n    def convert(self, amount): ...\n"})
    head = "from models import load_items\nfrom rates import Rates\n\n\n"
    here = "def main(path):\n    items = load_items({})\n"
    between = "x = 1\n" * 60
    there = "def other(rates: Rates):\n    rates.{}\n"
    first = await ask(context, folder / "main.py", head + here.format(CURSOR) + between)
    code = head + here.format("path") + between + there.format(CURSOR)
    second = await ask(context, folder / "main.py", code)
    assert ("new", "new") == (first.state, second.state)
    assert "models.py" in [snippet.path for snippet in first.snippets]
    assert "rates.py" == second.snippets[-1].path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (".env", "none: secret file"),
        ("../outside.py", "none: outside the workspace"),
        ("ignored.py", "none: ignored by .gitignore"),
    ],
)
async def test_no_context(
    context: WorkspaceContext, folder: Path, name: str, expected: str
) -> None:
    """An excluded document, and one outside the folders, gets none, with the reason."""
    (folder / ".gitignore").write_text("ignored.py\n")
    path = folder.parent / "outside.py" if ".." in name else folder / name
    assert expected == (await ask(context, path, MAIN)).summary


async def test_no_budget(context: WorkspaceContext, folder: Path) -> None:
    """Nothing is searched for a prompt without room."""
    selection = await ask(context, folder / "main.py", MAIN, budget_tokens=0)
    assert "none: no budget" == selection.summary


async def test_exclusion(context: WorkspaceContext, folder: Path, tmp_path: Path) -> None:
    """Secrets are never completed, wherever they are; other documents outside may be."""
    (tmp_path / "target.py").write_text("x = 1\n")
    (folder / "link.py").symlink_to(tmp_path / "target.py")
    reasons = {
        uri: context.exclusion(uri)
        for uri in (
            (folder / "main.py").as_uri(),
            (folder / ".env").as_uri(),
            (folder / "link.py").as_uri(),
            (tmp_path / "loose.py").as_uri(),
            (tmp_path / ".env").as_uri(),
            "untitled:Untitled-1",
            "file://[",
        )
    }
    assert [None, "secret file", None, None, "secret file", None, None] == list(reasons.values())


async def test_a_failing_search(
    context: WorkspaceContext, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Less context, never an error; the log has no code, and the next request tries again."""

    def broken(text: str) -> int:
        raise RuntimeError(f"can't count {text}")

    with caplog.at_level(logging.WARNING):
        selection = await ask(context, folder / "main.py", MAIN, count=broken)
    assert ("none: failed", ()) == (selection.summary, selection.snippets)
    assert "RuntimeError" in caplog.text
    assert "models" not in caplog.text
    assert 1 == len((await ask(context, folder / "main.py", MAIN)).snippets)


async def test_events_reach_the_index(context: WorkspaceContext, folder: Path) -> None:
    """Saved and changed files are indexed again; those outside the folder are not."""
    context.saved((folder / "main.py").as_uri())
    context.saved("untitled:Untitled-1")
    context.files_changed([folder / "new.py", folder.parent / "outside.py"])
    indexer = context._folders[0]._indexer
    assert isinstance(indexer, FakeIndexer)
    assert [folder / "main.py", folder / "new.py"] == indexer.updated


@pytest.mark.usefixtures("_no_process")
async def test_nested_folders(tmp_path: Path) -> None:
    """A document belongs to the innermost folder; two workspaces at once don't mix."""
    write(tmp_path, {"models.py": "x = 1\n", "inner/models.py": MODELS})
    context = WorkspaceContext({}, [tmp_path, tmp_path / "inner"], cache_dir=tmp_path / "cache")
    selection = await ask(context, tmp_path / "inner/main.py", MAIN)
    assert ["models.py"] == [snippet.path for snippet in selection.snippets]
    await context.aclose()


async def test_known(
    context: WorkspaceContext, documents: dict[str, Document], folder: Path
) -> None:
    """Names in open documents, as whole words."""
    documents["main"] = document(folder / "main.py", MAIN)
    assert {"load_items"} == context.known(["load_items", "load_item", "gone"])


@pytest.mark.parametrize(("ms_a_document", "expected"), [(0, 20), (0.7, 5), (1000, 1)])
async def test_known_is_fast(
    context: WorkspaceContext,
    documents: dict[str, Document],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    ms_a_document: float,
    expected: int,
) -> None:
    """Names nobody has seen cost a few milliseconds, however much is open: the latest documents
    are looked through until the time is up, and one at least.
    """
    for number in range(40):
        documents[str(number)] = document(folder / f"{number}.py", "x = 1\n")
    now_s, looked_through = [0.0], []

    def looked(text: str, _word: str) -> bool:
        now_s[0] += ms_a_document / 1000
        looked_through.append(text)
        return False

    monkeypatch.setattr("fimls.context.workspace.has_word", looked)
    monkeypatch.setattr(time, "perf_counter", lambda: now_s[0])
    assert frozenset() == context.known(["unknown"])
    assert expected == len(looked_through)


async def test_ignored_files_are_completed_and_secrets_are_not(
    context: WorkspaceContext, folder: Path
) -> None:
    """A file that git ignores is completed, since somebody opened it, but has no context."""
    write(folder, {".gitignore": "scratch.py\n", "scratch.py": "x = 1\n"})
    assert None is context.exclusion((folder / "scratch.py").as_uri())
    selection = await ask(context, folder / "scratch.py", MAIN)
    assert "none: ignored by .gitignore" == selection.summary


async def test_other_settings(
    context: WorkspaceContext, documents: dict[str, Document], folder: Path
) -> None:
    """New folders are used at once, and open documents still hide their files."""
    path = folder / "models.py"
    documents[path.as_uri()] = document(path, MODELS.replace("path: str", "path: Path"))
    before = context.exclusion(path.as_uri())
    context.configure([folder], index=False)
    assert ["def load_items(path: Path) -> list[str]: ...\n"] == texts(
        await ask(context, folder / "main.py", MAIN)
    )
    context.configure([folder], globs=("mod*",), index=False)
    assert (None, "excluded by settings") == (before, context.exclusion(path.as_uri()))
    assert {"state": "off"} == context.status()


async def test_without_folders_there_is_no_context(
    context: WorkspaceContext, documents: dict[str, Document], folder: Path
) -> None:
    """An editor without a workspace gets no snippets and no error; secrets stay excluded."""
    documents["main"] = document(folder / "main.py", MAIN)
    context.configure([])
    selection = await ask(context, folder / "main.py", MAIN)
    assert ((), "none: switched off") == (selection.snippets, selection.summary)
    assert frozenset() == context.known({"load_items"})
    assert "secret file" == context.exclusion((folder / ".env").as_uri())


@pytest.mark.usefixtures("_no_process")
async def test_sources_can_be_left_out(folder: Path, tmp_path: Path) -> None:
    """An ablation runs without a source; one that doesn't exist finds nothing."""
    context = WorkspaceContext({}, [folder], sources={"names"}, cache_dir=tmp_path / "cache")
    assert [] == texts(await ask(context, folder / "main.py", MAIN))
    await context.aclose()


@pytest.mark.usefixtures("_no_process")
async def test_closing_does_not_wait_for_a_search(folder: Path, tmp_path: Path) -> None:
    """A server answers `shutdown` at once, whatever is searched."""
    context = WorkspaceContext({}, [folder], cache_dir=tmp_path / "cache")
    go, searched = threading.Event(), threading.Event()

    def slow(text: str) -> int:
        go.wait(60)
        searched.set()
        return count_words(text)

    selection = await ask(context, folder / "main.py", MAIN, timeout_ms=20, count=slow)
    assert "none: late" == selection.summary
    await context.aclose()
    assert not searched.is_set()
    go.set()


async def test_status(
    context: WorkspaceContext, documents: dict[str, Document], folder: Path
) -> None:
    """The status describes the folders and documents."""
    documents["main"] = document(folder / "main.py", MAIN)
    status = context.status()
    assert 1 == status["documents"]
    folders = status["folders"]
    assert isinstance(folders, list)
    assert {"path": str(folder), "index": "ready", "note": "", "files": 0} == {
        key: folders[0][key] for key in ("path", "index", "note", "files")
    }


@pytest.mark.parametrize(
    ("state", "failure", "note", "expected"),
    [
        (IndexState.READY, "", "index limited to 3 files of 9", "index limited to 3 files of 9"),
        (IndexState.FAILED, "disk full", "", "index failed: disk full"),
        (IndexState.INDEXING, "", "", ""),
    ],
)
async def test_what_the_index_leaves_out(
    context: WorkspaceContext,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    state: IndexState,
    failure: str,
    note: str,
    expected: str,
) -> None:
    """The note of every selection says it, also of a frozen one."""
    monkeypatch.setattr(FakeIndexer, "state", state)
    monkeypatch.setattr(FakeIndexer, "failure", failure)
    monkeypatch.setattr(FakeIndexer, "note", note)
    first = await ask(context, folder / "main.py", MAIN)
    again = await ask(context, folder / "main.py", MAIN)
    assert [("new", expected), ("frozen", expected)] == [
        (selection.state, selection.note) for selection in (first, again)
    ]


async def test_with_a_real_index(tmp_path: Path) -> None:
    """A definition that isn't imported is found once its file is indexed."""
    folder = tmp_path / "work"
    source = "package db\n\nfunc openStore(path string) *Store {\n\treturn nil\n}\n"
    write(folder, {"db/store.go": source})
    context = WorkspaceContext({}, [folder], cache_dir=tmp_path / "cache")
    await context.start()
    inside: Folder = context._folders[0]
    await inside._indexer.idle()
    code = f"package db\n\nfunc f() {{\n\ts := openStore({CURSOR}\n}}\n"
    path = folder / "db/user.go"
    opened = Document(path.as_uri(), "go", 1, code.replace(CURSOR, ""))
    offset = code.index(CURSOR)
    selection = await context.select(
        opened,
        offset,
        shown=(0, 2),
        budget_tokens=99,
        count_tokens=count_words,
        timeout_ms=PATIENT_MS,
    )
    assert ["func openStore(path string) *Store { ... }\n"] == texts(selection)
    assert {"openStore"} == context.known(["openStore", "closeStore"])
    await context.aclose()
