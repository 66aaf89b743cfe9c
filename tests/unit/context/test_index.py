from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fimls.context.extract import WINDOW_LINES, extract
from fimls.context.index import SCHEMA_VERSION, Index, Window
from fimls.context.index_writer import (
    UNUSED_S,
    Entry,
    IndexWriter,
    Stamp,
    mark_used,
    remove_unused,
)
from fimls.context.indexer import Indexer, database_path
from tests.unit.context import workspaces


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """The path of a database that doesn't exist yet."""
    return tmp_path / "index" / "x.sqlite"


def entry(path: str, text: str | None) -> Entry:
    """A Python file's entry; None: a file whose content may not be read."""
    contents = None if text is None else extract(text.encode(), "python")
    return Entry(path, Stamp(1, 2, b"digest"), contents)


def write(database: Path, files: dict[str, str | None], removed: tuple[str, ...] = ()) -> None:
    """Write files as one change."""
    writer = IndexWriter(database)
    writer.write([entry(path, text) for path, text in files.items()], removed)
    writer.close()


FILES: dict[str, str | None] = {
    "shapes/circle.py": "class Circle:\n    def area(self): return radius * tau\n",
    "shapes/square.py": "class Square:\n    def area(self): return side * side\n",
    "store.py": "\n" * WINDOW_LINES + "def save(circle, radius): database.insert(radius)\n",
    "generated.py": None,
}


@pytest.fixture
def opened(database: Path) -> Iterator[Index]:
    """An index of whatever is written there."""
    with contextlib.closing(Index(database)) as index:
        yield index


@pytest.fixture
def index(database: Path, opened: Index) -> Index:
    """An index of FILES."""
    write(database, FILES)
    return opened


def test_search_ranks_by_rarity(index: Index) -> None:
    """A window with more and rarer words comes first, with its lines and a positive score."""
    found = index.search(["radius", "tau", "area", "side", "nowhere"], limit=8)
    assert ["shapes/circle.py", "shapes/square.py", "store.py"] == [each.path for each in found]
    assert [(0, 3), (0, 3), (WINDOW_LINES, WINDOW_LINES + 2)] == [
        (each.start_line, each.end_line) for each in found
    ]
    assert sorted((each.score for each in found), reverse=True) == [each.score for each in found]
    assert found[-1].score > 0


def test_search_keeps_to_its_limits(index: Index) -> None:
    """No more windows than asked for, none of excluded files, none for no words."""
    assert 1 == len(index.search(["area", "radius"], limit=1))
    assert ["store.py"] == [
        each.path for each in index.search(["radius"], limit=8, exclude=["shapes/circle.py"])
    ]
    assert [] == index.search([], limit=8)


def test_search_minds_case(index: Index) -> None:
    """``Circle`` is a class, ``circle`` an argument."""
    assert ["shapes/circle.py"] == [each.path for each in index.search(["Circle"], limit=8)]
    assert ["store.py"] == [each.path for each in index.search(["circle"], limit=8)]


def test_search_leaves_common_words_out(opened: Index, database: Path) -> None:
    """A word in very many windows finds nothing, and doesn't disturb rarer words."""
    lines = "\n".join(["common = 1"] * WINDOW_LINES)
    write(database, {"many.py": f"{lines}\n" * 600, "few.py": "common = rare\n"})
    for _ in range(2):  # the second time it is known to be common
        assert ["few.py"] == [each.path for each in opened.search(["common", "rare"], limit=8)]
        assert [] == opened.search(["common"], limit=8)


@pytest.mark.parametrize("word", ['"', 'a" OR "b', "a b", "", "NEAR(", "x:", "a*", "\0", "\ud800"])
def test_no_word_is_a_query(index: Index, word: str) -> None:
    """Words that look like FTS5's syntax find nothing, and break nothing."""
    assert ["store.py"] == [each.path for each in index.search([word, "database"], limit=8)]
    assert {"database"} == index.known([word, "database"])


def test_defining_files(index: Index) -> None:
    """The files that define a name are found, in the index's order; unknown names have none."""
    assert {
        "area": ["shapes/circle.py", "shapes/square.py"],
        "Square": ["shapes/square.py"],
    } == index.defining_files(["area", "Square", "radius", "square"])
    assert {"area": ["shapes/circle.py"]} == index.defining_files(["area"], limit=1)


def test_known(index: Index) -> None:
    """Names that occur anywhere are known, defined or not, in this case only."""
    assert {"radius", "Circle"} == index.known(["radius", "Radius", "Circle", "CIRCLE", "nowhere"])
    assert {"$radius"} == index.known(["$radius"])


def test_files(index: Index) -> None:
    """Files whose content may be read are counted."""
    assert 3 == index.files()


def test_a_changed_file_is_found_by_what_it_holds_now(index: Index, database: Path) -> None:
    """Old words, definitions and lines are forgotten."""
    write(database, {"store.py": "def load(circle): disk.read()\n"})
    assert [Window("store.py", 0, 2, 0.0)] == [
        Window(each.path, each.start_line, each.end_line, 0.0)
        for each in index.search(["disk"], limit=8)
    ]
    assert {"disk", "circle", "load", "radius"} == index.known(
        ["disk", "circle", "load", "radius", "save", "database"]
    )
    assert {"load": ["store.py"]} == index.defining_files(["load", "save"])


def test_a_dropped_file_is_gone(index: Index, database: Path) -> None:
    """A folder's name drops the files below it, and no others."""
    write(database, {"shapes.py": "alpha = 1\n", "shapes-2/a.py": "beta = 2\n"}, ("store.py",))
    write(database, {}, ("shapes", "nowhere.py"))
    assert 2 == index.files()
    assert {"alpha", "beta"} == index.known(["alpha", "beta", "area", "radius", "database"])
    assert {} == index.defining_files(["area", "Circle", "save"])


def test_nothing_is_left_of_files_that_went(database: Path) -> None:
    """The full-text index forgets everything about deleted files; no row remains."""
    write(database, FILES)
    write(database, {"store.py": "x = [\n" + "alpha,\n" * 200 + "]\n"})
    write(database, {}, tuple(FILES))
    with sqlite3.connect(database) as connection:
        connection.execute("INSERT INTO windows (windows) VALUES ('integrity-check')")
        connection.execute("CREATE VIRTUAL TABLE terms USING fts5vocab (windows, row)")
        assert [(0,)] * 4 == [
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
            for table in ("files", "words", "definitions", "terms")
        ]
    connection.close()


def test_merging_ends_and_changes_nothing(opened: Index, database: Path) -> None:
    """Merging ends, however many small changes there were."""
    writer = IndexWriter(database)
    for number in range(50):
        writer.write([entry(f"{number}.py", f"word_{number} = shared\n")])
    calls = 1
    while writer.merge():
        calls += 1
    writer.close()
    assert calls < 100
    assert 50 == len(opened.search(["shared"], limit=99))


def test_a_folder_for_one_user(index: Index, database: Path) -> None:
    """The database is in a folder that nobody else can read."""
    assert 0o700 == database.parent.stat().st_mode & 0o777


@pytest.mark.parametrize("what", ["missing", "empty", "no database", "cut off", "a folder"])
def test_without_a_database_everything_is_empty(opened: Index, database: Path, what: str) -> None:
    """With a missing or broken database, no answer is an error."""
    write(database, FILES)
    data = database.read_bytes()
    database.unlink()
    if what == "a folder":
        database.mkdir()
    elif what != "missing":
        database.write_bytes({"empty": b"", "no database": b"x" * 9999}.get(what, data[:5000]))
    assert [] == opened.search(["radius"], limit=8)
    assert ({}, frozenset()) == (opened.defining_files(["area"]), opened.known(["radius"]))
    assert 0 == opened.files()


@pytest.mark.parametrize("what", ["no database", "cut off", "another version", "page of zeros"])
def test_a_database_that_cannot_be_used_is_made_new(
    opened: Index, database: Path, what: str
) -> None:
    """A corrupt database, or one of another version, is replaced at the next start."""
    write(database, FILES)
    data = database.read_bytes()
    if what == "another version":
        connection = sqlite3.connect(database)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
        connection.close()
    else:
        broken = {"no database": b"x" * 9999, "cut off": data[: len(data) // 2]}
        database.write_bytes(broken.get(what, data[:4096] + bytes(4096) + data[8192:]))
    write(database, {"new.py": "fresh = 1\n"})
    assert 1 == opened.files()
    assert {"fresh"} == opened.known(["fresh", "radius"])


def test_a_reader_finds_the_new_database(index: Index, database: Path) -> None:
    """A reader that had the deleted database open goes on with the new one."""
    assert {"radius"} == index.known(["radius"])
    for path in list(database.parent.iterdir()):
        path.unlink()
    assert set() == index.known(["radius"])
    write(database, {"new.py": "fresh = 1\n"})
    assert {"fresh"} == index.known(["fresh"])


def test_readers_do_not_wait_for_a_writer(index: Index, database: Path) -> None:
    """While a transaction is open, readers see the state before it."""
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("DELETE FROM files")
    assert 3 == index.files()
    connection.execute("COMMIT")
    connection.close()
    assert 0 == index.files()


def test_many_threads_may_ask(index: Index, database: Path) -> None:
    """Many threads may ask during writes; each answer comes from one state."""
    wrong: list[object] = []

    def ask() -> None:
        for _ in range(30):
            found = {each.path for each in index.search(["radius"], limit=8)}
            if found - {"store.py", "shapes/circle.py"} or not index.known(["Circle"]):
                wrong.append(found)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(10):
        write(database, {"store.py": f"radius = {number}\n" * (number % 2)})
    for thread in threads:
        thread.join()
    assert [] == wrong


def test_closed_and_asked_again(index: Index) -> None:
    """Closing frees the connections; the index can be asked again."""
    assert 3 == index.files()
    index.close()
    assert 3 == index.files()
    index.close()


def test_a_copy_without_its_log_opens(index: Index, database: Path, tmp_path: Path) -> None:
    """A database opens without the files that SQLite keeps beside it."""
    index.close()
    shutil.copy(database, tmp_path / "copy.sqlite")
    with contextlib.closing(Index(tmp_path / "copy.sqlite")) as copied:
        assert 3 == copied.files()


LONG_AGO_S = UNUSED_S + 60


def made(database: Path, age_s: float) -> None:
    """Write an index's files, last used ``age_s`` ago."""
    for name in (database.name, f"{database.name}-wal", f"{database.name}.lock"):
        path = database.with_name(name)
        path.write_bytes(b"")
        os.utime(path, (time.time() - age_s,) * 2)


def test_what_is_out_of_use_is_deleted(tmp_path: Path) -> None:
    """An unused index is deleted with all its files; recent ones and other files stay."""
    old, new = tmp_path / "old.sqlite", tmp_path / "new.sqlite"
    made(old, LONG_AGO_S)
    made(new, UNUSED_S - 3600)
    other = tmp_path / "other.json"
    made(other, LONG_AGO_S)
    kept = {path.name for path in tmp_path.iterdir() if "old" not in path.name}
    remove_unused(tmp_path)
    assert kept == {path.name for path in tmp_path.iterdir()}


def test_marked_as_used(tmp_path: Path) -> None:
    """A mark counts as use; marking a deleted index does nothing."""
    database = tmp_path / "x.sqlite"
    made(database, LONG_AGO_S)
    mark_used(database)
    remove_unused(tmp_path)
    assert database.exists()
    database.unlink()
    mark_used(database)
    assert not database.exists()


async def test_a_start_cleans_up(tmp_path: Path) -> None:
    """The indexer deletes other workspaces' old indexes, and keeps its own however old it is."""
    workspaces.write(tmp_path / "workspace", {"a.py": "first = 1\n"})
    database = database_path(tmp_path / "workspace", tmp_path / "cache")
    other = database.with_name("0.sqlite")
    await indexed(tmp_path / "workspace", database)
    made(other, LONG_AGO_S)
    os.utime(database, (time.time() - LONG_AGO_S,) * 2)
    await indexed(tmp_path / "workspace", database)
    assert (True, False) == (database.exists(), other.exists())
    assert time.time() - database.stat().st_mtime == pytest.approx(0, abs=60)


async def indexed(folder: Path, database: Path) -> None:
    """Have a folder indexed once."""
    indexer = Indexer(folder, database)
    await indexer.start()
    await indexer.idle()
    await indexer.aclose()
