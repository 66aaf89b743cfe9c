from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from fimls.child import Child, Parent, ParentGoneError
from fimls.context import indexer_worker
from fimls.context.exclusions import Exclusions
from fimls.context.index import Index
from fimls.context.indexer import Indexer, IndexState, database_path
from tests.unit.context.workspaces import write

FILES = {
    "shapes/circle.py": "class Circle:\n    def area(self): return radius * tau\n",
    "store.py": "def save(circle): database.insert(circle)\n",
    ".env": "TOKEN=abc\n",
    ".gitignore": "/build.py\n",
    "build.py": "ignored_name = 1\n",
    "notes": "no language\n",
}

NewIndexer = Callable[..., Indexer]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A workspace folder with FILES."""
    folder = tmp_path / "workspace"
    write(folder, FILES)
    return folder


@pytest.fixture
def database(folder: Path, tmp_path: Path) -> Path:
    """The path of its index."""
    return database_path(folder, tmp_path / "cache")


@pytest.fixture
def index(database: Path) -> Iterator[Index]:
    """Its index."""
    with contextlib.closing(Index(database)) as index:
        yield index


@pytest.fixture
async def new_indexer(folder: Path, database: Path) -> AsyncIterator[NewIndexer]:
    """Makes indexers of the folder, or of others; all are closed in the end."""
    made: list[Indexer] = []

    def new(folder: Path = folder, database: Path = database, **options: Any) -> Indexer:
        made.append(Indexer(folder, database, **options))
        return made[-1]

    yield new
    for indexer in made:
        await indexer.aclose()


@pytest.fixture
async def indexer(new_indexer: NewIndexer) -> Indexer:
    """An indexer that has indexed the folder."""
    indexer = new_indexer()
    await indexer.start()
    await indexer.idle()
    return indexer


async def test_a_folder_is_indexed(indexer: Indexer, index: Index) -> None:
    """Source files are indexed, and excluded files aren't."""
    assert (IndexState.READY, "") == (indexer.state, indexer.note)
    assert 2 == index.files()
    assert {"Circle": ["shapes/circle.py"]} == index.defining_files(["Circle"])
    assert frozenset() == index.known(["TOKEN", "ignored_name", "language"])


async def test_the_process_is_modest(indexer: Indexer, database: Path) -> None:
    """It has the lowest priority, and nobody else may read what it writes."""
    assert indexer.pid is not None
    assert 19 == os.getpriority(os.PRIO_PROCESS, indexer.pid)
    assert {0} == {path.stat().st_mode & 0o077 for path in database.parent.iterdir()}


async def test_updates(indexer: Indexer, index: Index, folder: Path) -> None:
    """Changed, new and deleted files are soon up to date in the index."""
    write(folder, {"store.py": "def load(): disk.read()\n", "new/file.py": "fresh = 1\n"})
    (folder / "shapes/circle.py").unlink()
    paths = ["store.py", "new/file.py", "shapes/circle.py", "never/was.py"]
    indexer.update([folder / path for path in paths])
    await indexer.idle()
    assert 2 == index.files()
    names = ["disk", "fresh", "Circle", "save", "database"]
    assert {"disk", "fresh"} == index.known(names)


async def test_a_deleted_folder(indexer: Indexer, index: Index, folder: Path) -> None:
    """Editors name the folder, not the files that were in it."""
    (folder / "shapes/circle.py").unlink()
    (folder / "shapes").rmdir()
    indexer.update([folder / "shapes"])
    await indexer.idle()
    assert (1, {}) == (index.files(), index.defining_files(["Circle"]))


async def test_a_folder_that_came(indexer: Indexer, index: Index, folder: Path) -> None:
    """A folder that was moved here is indexed with its files."""
    write(folder, {"moved/in.py": "fresh = 1\n"})
    indexer.update([folder / "moved"])
    await indexer.idle()
    assert {"fresh"} == index.known(["fresh"])


async def test_what_must_not_be_read_is_not_updated(
    indexer: Indexer, index: Index, folder: Path, tmp_path: Path
) -> None:
    """Files that must not be read aren't indexed, even if an editor reports them."""
    write(tmp_path, {"outside.py": "foreign = 1\n"})
    (folder / "link.py").symlink_to(tmp_path / "outside.py")
    paths = [*map(folder.joinpath, ["build.py", ".env", "notes", "link.py"])]
    indexer.update([*paths, tmp_path / "outside.py", folder / "../outside.py"])
    await indexer.idle()
    assert 2 == index.files()


async def test_a_new_exclusion(indexer: Indexer, index: Index, folder: Path) -> None:
    """A changed .gitignore takes effect at once."""
    write(folder, {".gitignore": "store.py\n"})
    indexer.update([folder / ".gitignore"])
    await indexer.idle()
    assert {"ignored_name"} == index.known(["database", "ignored_name"])


async def test_settings_exclude(new_indexer: NewIndexer, index: Index) -> None:
    """Files that settings exclude leave an earlier index, too."""
    for globs, files in (([], 2), (["store.*"], 1)):
        indexer = new_indexer(globs=globs)
        await indexer.start()
        await indexer.idle()
        assert files == index.files()
        await indexer.aclose()


async def test_a_folder_behind_a_link(
    new_indexer: NewIndexer, index: Index, folder: Path, tmp_path: Path
) -> None:
    """Paths through a link to the folder work as well."""
    (tmp_path / "link").symlink_to(folder)
    indexer = new_indexer(folder=tmp_path / "link")
    await indexer.start()
    write(folder, {"store.py": "fresh = 1\n"})
    indexer.update([tmp_path / "link/store.py"])
    await indexer.idle()
    assert 2 == index.files()
    assert {"fresh"} == index.known(["fresh"])


async def test_what_is_known_is_not_read_again(
    indexer: Indexer, new_indexer: NewIndexer, index: Index, folder: Path
) -> None:
    """A file with the same time and size isn't read again; with another time it is."""
    await indexer.aclose()
    path = folder / "store.py"
    before = path.stat()
    for mtime_ns, found in ((before.st_mtime_ns, False), (before.st_mtime_ns - 10**18, True)):
        path.write_text("x" * before.st_size)
        os.utime(path, ns=(mtime_ns, mtime_ns))
        again = new_indexer()
        await again.start()
        await again.idle()
        assert found == bool(index.known(["x" * before.st_size]))
        await again.aclose()


async def test_odd_files(new_indexer: NewIndexer, index: Index, folder: Path) -> None:
    """Binary, huge, minified and wrongly encoded files, pipes and link circles are left out."""
    (folder / "binary.py").write_bytes(b"odd = 1\n\0")
    (folder / "latin.py").write_bytes("odd = 'größe'\n".encode("latin-1"))
    (folder / "line.py").write_text("odd = " + "[" * 200_000)
    with (folder / "huge.py").open("wb") as file:
        file.truncate(50_000_000)
    os.mkfifo(folder / "pipe.py")
    (folder / "circle").symlink_to(folder)
    (folder / os.fsdecode(b"name\xff.py")).write_text("odd = 1\n")
    (folder / "empty.py").touch()
    indexer = new_indexer()
    await indexer.start()
    names = ["binary", "latin", "line", "huge", "pipe", "circle", "gone"]
    indexer.update([folder / f"{name}.py" for name in names])
    await indexer.idle()
    assert (IndexState.READY, 3) == (indexer.state, index.files())
    assert frozenset() == index.known(["odd"])


async def test_progress(new_indexer: NewIndexer, folder: Path) -> None:
    """Progress is reported at once, and never exceeds the total."""
    write(folder, {f"{number}.py": f"name_{number} = 1\n" for number in range(300)})
    told: list[tuple[int, int]] = []
    indexer = new_indexer(on_progress=lambda done, total: told.append((done, total)))
    await indexer.start()
    assert IndexState.INDEXING == indexer.state
    await indexer.idle()
    assert told
    assert all(0 <= done <= total <= 303 for done, total in told)


async def test_a_cache_that_cannot_be_written(new_indexer: NewIndexer, tmp_path: Path) -> None:
    """The index fails with the reason, answers are empty, and nobody waits for ever."""
    write(tmp_path, {"file": "in the way\n"})
    database = tmp_path / "file" / "index" / "x.sqlite"
    indexer = new_indexer(database=database)
    await indexer.start()
    await indexer.idle()
    assert IndexState.FAILED is indexer.state
    assert "Not a directory" in indexer.failure
    assert 0 == Index(database).files()
    indexer.update([tmp_path / "file"])
    await indexer.idle()


@pytest.mark.usefixtures("permissions")
async def test_a_read_only_cache(new_indexer: NewIndexer, tmp_path: Path) -> None:
    """The same with a folder that has no write permission."""
    (tmp_path / "cache").mkdir(mode=0o500)
    indexer = new_indexer(database=tmp_path / "cache" / "index" / "x.sqlite")
    await indexer.start()
    await indexer.idle()
    assert IndexState.FAILED is indexer.state
    assert "Permission denied" in indexer.failure


async def test_two_servers_on_one_workspace(
    new_indexer: NewIndexer, index: Index, folder: Path
) -> None:
    """Both get ready, and updates of either are in the index that both read."""
    both = [new_indexer(), new_indexer()]
    await asyncio.gather(*(indexer.start() for indexer in both))
    await asyncio.gather(*(indexer.idle() for indexer in both))
    for number, indexer in enumerate(both):
        write(folder, {f"{number}.py": f"fresh_{number} = 1\n"})
        indexer.update([folder / f"{number}.py"])
    await asyncio.gather(*(indexer.idle() for indexer in both))
    assert [IndexState.READY, IndexState.READY] == [indexer.state for indexer in both]
    assert 4 == index.files()
    assert {"fresh_0", "fresh_1"} == index.known(["fresh_0", "fresh_1"])


async def test_two_workspaces(new_indexer: NewIndexer, index: Index, tmp_path: Path) -> None:
    """Each workspace has a process and a database of its own."""
    write(tmp_path / "other", {"a.py": "elsewhere = 1\n"})
    database = database_path(tmp_path / "other", tmp_path / "cache")
    both = [new_indexer(), new_indexer(folder=tmp_path / "other", database=database)]
    await asyncio.gather(*(indexer.start() for indexer in both))
    await asyncio.gather(*(indexer.idle() for indexer in both))
    with contextlib.closing(Index(database)) as other:
        assert {"elsewhere"} == other.known(["elsewhere", "Circle"])
    assert {"Circle"} == index.known(["elsewhere", "Circle"])


@pytest.mark.parametrize("what", ["deleted", "overwritten"])
async def test_the_database_is_spoilt_meanwhile(
    indexer: Indexer, index: Index, folder: Path, database: Path, what: str
) -> None:
    """The next update repairs it."""
    if what == "deleted":
        for path in database.parent.iterdir():
            path.unlink()
    else:
        for path in database.parent.glob("*.sqlite*"):
            path.write_bytes(b"x" * path.stat().st_size)
    write(folder, {"new.py": "fresh = 1\n"})
    indexer.update([folder / "new.py"])
    await indexer.idle()
    await indexer.aclose()
    assert 3 == index.files()
    assert {"fresh", "Circle"} == index.known(["fresh", "Circle"])


async def killed(indexer: Indexer) -> None:
    """Kill the indexer's process, and wait until it is known to have ended."""
    pid = indexer.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while indexer.pid == pid and indexer.state in {IndexState.INDEXING, IndexState.READY}:  # noqa: ASYNC110 - no event
        await asyncio.sleep(0.01)


async def test_killed_while_it_writes(
    new_indexer: NewIndexer,
    index: Index,
    folder: Path,
    database: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The database is intact, and another process completes it, with the updates since."""
    monkeypatch.setattr("fimls.context.indexer.RESTART_PAUSES_S", (0.2,))
    write(folder, {f"{number}.py": f"name_{number} = 1\n" * 500 for number in range(800)})
    indexer = new_indexer()
    await indexer.start()
    while not index.files():  # noqa: ASYNC110 - the first transaction is done
        await asyncio.sleep(0.01)
    before = indexer.pid
    waiting = asyncio.create_task(indexer.idle())
    await killed(indexer)
    connection = sqlite3.connect(database)
    assert [("ok",)] == connection.execute("PRAGMA integrity_check").fetchall()
    connection.close()
    assert (IndexState.INDEXING, None) == (indexer.state, indexer.pid)
    indexer.update([folder / "1.py"])
    await waiting
    assert (IndexState.READY, 802) == (indexer.state, index.files())
    assert before != indexer.pid


async def test_killed_again_and_again(
    new_indexer: NewIndexer, index: Index, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the last restart the index has failed, and nobody waits for it."""
    monkeypatch.setattr("fimls.context.indexer.RESTART_PAUSES_S", (0.0,))
    indexer = new_indexer()
    await indexer.start()
    await killed(indexer)
    await indexer.idle()
    assert IndexState.READY == indexer.state
    await killed(indexer)
    assert (IndexState.FAILED, "the process was killed by signal 9") == (
        indexer.state,
        indexer.failure,
    )
    indexer.update([folder / "store.py"])  # nobody is there to hear it
    await indexer.idle()
    assert 2 == index.files()


async def test_what_a_dying_process_said_is_logged(
    new_indexer: NewIndexer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The cause of an unexpected end is in the log."""
    broken = (sys.executable, "-c", "raise MemoryError('out of room')")
    monkeypatch.setattr("fimls.context.indexer.module_command", lambda _: broken)
    monkeypatch.setattr("fimls.context.indexer.RESTART_PAUSES_S", (0.0,))
    indexer = new_indexer()
    await indexer.start()
    await indexer.idle()
    assert (IndexState.FAILED, "the process ended with code 1") == (indexer.state, indexer.failure)
    assert "MemoryError: out of room; starting another" in caplog.text


async def test_a_cancelled_wait(new_indexer: NewIndexer, index: Index, folder: Path) -> None:
    """The indexer goes on when somebody stops waiting for it."""
    indexer = new_indexer()
    await indexer.start()
    waiting = asyncio.create_task(indexer.idle())
    await asyncio.sleep(0)
    waiting.cancel()
    await indexer.idle()
    indexer.update([folder / "store.py"])
    await indexer.idle()
    assert (IndexState.READY, 2) == (indexer.state, index.files())


async def test_closing_between_two_processes(
    new_indexer: NewIndexer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closed before a restart, it starts no process, and nobody waits."""
    monkeypatch.setattr("fimls.context.indexer.RESTART_PAUSES_S", (3600.0,))
    indexer = new_indexer()
    await indexer.start()
    await killed(indexer)
    waiting = asyncio.create_task(indexer.idle())
    await asyncio.sleep(0)
    await indexer.aclose()
    await waiting
    assert (IndexState.CLOSED, None) == (indexer.state, indexer.pid)


async def test_closing(new_indexer: NewIndexer, folder: Path) -> None:
    """It can be closed at any time and twice: before the start, while it works, when idle."""
    write(folder, {f"{number}.py": f"name_{number} = 1\n" * 500 for number in range(500)})
    never, busy = new_indexer(), new_indexer()
    await busy.start()
    waiting = asyncio.create_task(busy.idle())
    await asyncio.sleep(0)
    for indexer in (never, busy, busy):
        await indexer.aclose()
    await waiting
    assert (IndexState.CLOSED, IndexState.CLOSED) == (never.state, busy.state)


async def test_closing_during_the_start(
    new_indexer: NewIndexer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that is being started doesn't stay."""
    started: list[Child] = []
    start = Child.start

    async def start_and_note(command: Sequence[str]) -> Child:
        started.append(await start(command))
        return started[-1]

    monkeypatch.setattr(Child, "start", start_and_note)
    indexer = new_indexer()
    starting = asyncio.create_task(indexer.start())
    await asyncio.sleep(0)
    await indexer.aclose()
    await starting
    assert (IndexState.CLOSED, None) == (indexer.state, indexer.pid)
    assert [False] == [child.listens for child in started]


async def test_closing_does_not_wait_for_the_process(new_indexer: NewIndexer) -> None:
    """A process that doesn't end is killed, and nobody waits for its work."""
    indexer = new_indexer()
    await indexer.start()
    child = indexer._child
    assert child is not None
    os.kill(child.pid, signal.SIGSTOP)
    waiting = asyncio.create_task(indexer.idle())
    await asyncio.sleep(0)
    await indexer.aclose()
    await waiting
    assert (IndexState.CLOSED, -signal.SIGKILL) == (indexer.state, (await child.ended()).code)


async def test_the_folder_one_is_in_is_no_library(
    new_indexer: NewIndexer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module of the workspace, such as ``json.py``, isn't run."""
    write(folder, {"json.py": "raise SystemExit(1)\n"})
    monkeypatch.chdir(folder)
    indexer = new_indexer()
    await indexer.start()
    await indexer.idle()
    assert IndexState.READY == indexer.state


def test_it_ends_with_its_parent_and_not_by_ctrl_c(folder: Path, database: Path) -> None:
    """An interrupt is the parent's business, and it goes on; when standard input ends so does it,
    silently.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "fimls.context.indexer_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f'{{"folder": "{folder}", "database": "{database}", "globs": []}}\n')
    process.stdin.flush()
    while '"ready"' not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    process.stdin.write('{"op": "sync", "id": 1}\n')
    process.stdin.flush()
    assert {"event": "synced", "id": 1} == json.loads(process.stdout.readline())
    _, errors = process.communicate()
    assert (0, "") == (process.returncode, errors)


def scan(folder: Path, database: Path) -> list[dict[str, Any]]:
    """Run the worker here until it is ready; return its messages."""
    parent_in, worker_out = os.pipe()
    worker_in, parent_out = os.pipe()
    opening = {"folder": str(folder), "database": str(database), "globs": []}
    worker = indexer_worker.Worker(Parent(worker_in, worker_out), opening)

    def run() -> None:
        with contextlib.suppress(ParentGoneError):
            worker.run()
        worker.close()

    thread = threading.Thread(target=run)
    thread.start()
    other = Parent(parent_in, parent_out)
    messages = list[dict[str, Any]]()
    while not messages or messages[-1]["event"] != "ready":
        message = other.receive(timeout_s=60)
        assert message is not None
        messages.append(message)
    os.close(parent_out)
    thread.join()
    for descriptor in (parent_in, worker_in, worker_out):
        os.close(descriptor)
    return messages


def test_a_limit_on_files(
    folder: Path, database: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of too many files those nearest to the root are indexed, and the note says so."""
    write(folder, {f"a/{number}/x.py": "deep = 1\n" for number in range(9)})
    write(folder, {"z.py": "shallow = 1\n"})
    monkeypatch.setattr(indexer_worker, "MAX_FILES", 3)
    assert "index limited to 3 files of 12" == scan(folder, database)[-1]["note"]
    assert (3, frozenset({"database"})) == (index.files(), index.known(["database", "deep"]))


def test_files_deleted_while_indexing(
    folder: Path, database: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is deleted while indexing is skipped."""
    walk = Exclusions.walk

    def walk_and_delete(self: Exclusions) -> Iterator[tuple[Path, os.stat_result]]:
        yield from list(walk(self))
        (folder / "store.py").unlink()

    monkeypatch.setattr(Exclusions, "walk", walk_and_delete)
    scan(folder, database)
    assert (1, frozenset()) == (index.files(), index.known(["database"]))


def test_database_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each real folder has one, in the user's cache, under a name that doesn't reveal it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    path = database_path(tmp_path / "a")
    assert tmp_path / "cache/fimls/index" == path.parent
    assert path == database_path(tmp_path / "link")
    assert path != database_path(tmp_path / "b")
    assert tmp_path / "x/index" == database_path(tmp_path / "a", tmp_path / "x").parent
