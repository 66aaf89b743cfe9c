from __future__ import annotations

import asyncio
import difflib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from fimls.context.folder import Folder
from fimls.context.query import Region
from fimls.context.recent import Changes, Visits, regions

TEN = "".join(f"line {number}\n" for number in range(10))


def test_the_latest_come_first_and_edits_before_visits() -> None:
    """Edits come before opened documents; the document itself is left out."""
    visits = Visits()
    for path in ("a.py", "b.py", "c.py"):
        visits.opened(path, TEN)
    visits.changed("a.py", TEN.replace("line 5", "line five"))
    expected = (Region("a.py", 5, 6), Region("a.py", 0, 11), Region("b.py", 0, 11))
    assert expected == regions(visits.latest(but="c.py"))


def test_edits_in_several_places() -> None:
    """Each edit is a region; edits near each other are one."""
    visits = Visits()
    visits.opened("a.py", TEN * 3)
    visits.changed("a.py", "new\n" + TEN.replace("line 2", "two") + TEN + TEN + "end\n")
    found = regions(visits.latest(but=""))
    assert (Region("a.py", 0, 4), Region("a.py", 31, 32)) == found[:2]


def test_closed_documents_are_forgotten() -> None:
    """Closed documents and undone edits leave no regions."""
    visits = Visits()
    visits.opened("a.py", TEN)
    visits.changed("a.py", TEN + "x")
    visits.closed("a.py")
    visits.changed("b.py", TEN)
    visits.changed("b.py", TEN + "x")
    visits.changed("b.py", TEN)
    assert (Region("b.py", 0, 11),) == regions(visits.latest(but=""))


def test_a_file_that_was_written_anew_takes_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where everything differs, everything is the region; difflib, which would take minutes, isn't
    asked.
    """
    monkeypatch.setattr(difflib, "SequenceMatcher", None)
    visits = Visits()
    visits.opened("a.py", "".join(f"a{number}\n" for number in range(20_000)))
    visits.changed("a.py", "".join(f"b{number}\n" for number in range(20_000)))
    assert Region("a.py", 0, 20_000) == regions(visits.latest(but=""))[0]


needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="no git here")


def git(folder: Path, *arguments: str) -> None:
    """Run git, with nobody's configuration."""
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(
        ["git", *identity, *arguments],  # noqa: S607  wherever it is
        cwd=folder,
        check=True,
        capture_output=True,
        env=environment,
    )


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit of two files, one in a folder."""
    (tmp_path / "pkg").mkdir()
    for name in ("a.py", "pkg/b.py"):
        (tmp_path / name).write_text("".join(f"line {number}\n" for number in range(10)))
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def refreshed(folder: Path) -> tuple[Region, ...]:
    """The regions of a folder."""
    changes = Changes(folder)
    changes.refresh()
    return changes.regions


@needs_git
def test_changed_lines(repository: Path) -> None:
    """Lines added or changed since the commit are found, staged or not; deleted ones aren't."""
    text = (repository / "a.py").read_text()
    (repository / "a.py").write_text(text.replace("line 2\nline 3\n", "two\nthree\n") + "end\n")
    (repository / "pkg/b.py").write_text(text.replace("line 5\n", ""))
    git(repository, "add", "a.py")
    assert (Region("a.py", 2, 4), Region("a.py", 10, 11)) == refreshed(repository)


@needs_git
def test_a_folder_in_a_repository(repository: Path) -> None:
    """Paths are relative to the folder; files outside are left out."""
    for name in ("a.py", "pkg/b.py"):
        (repository / name).write_text("new\n" + (repository / name).read_text())
    assert (Region("b.py", 0, 1),) == refreshed(repository / "pkg")


@needs_git
def test_no_repository(tmp_path: Path) -> None:
    """Without a repository or a commit there are no changes."""
    assert () == refreshed(tmp_path)
    git(tmp_path, "init", "-q")
    assert () == refreshed(tmp_path)


def test_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without git, or in a deleted folder, there are no changes."""
    assert () == refreshed(tmp_path / "gone")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert () == refreshed(tmp_path)


@needs_git
def test_a_git_that_hangs(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git is ended after the timeout; there are no changes, and the note says why."""
    fake = tmp_path / "git"
    fake.write_text("#!/bin/sh\nexec sleep 1000\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("fimls.context.recent._GIT_TIMEOUT_S", 0.2)
    changes = Changes(repository)
    changes.refresh()
    assert () == changes.regions
    assert (
        "uncommitted changes are not known: git did not answer within 0.2 seconds" == changes.note
    )


@needs_git
async def test_what_git_can_not_tell_is_told(repository: Path, tmp_path: Path) -> None:
    """The folder's note, which `fimls why` shows, says why there are no changes."""
    (repository / ".git" / "index").write_bytes(b"DIRC broken")
    folder = Folder(repository, (), ("git",), tmp_path / "cache")
    await folder.start()
    try:
        for _ in range(200):
            if folder.status()["git"]:
                break
            await asyncio.sleep(0.05)
        assert folder.note.endswith(
            "uncommitted changes are not known: git diff failed, with the exit code 128"
        )
    finally:
        await folder.aclose()


def test_closed(tmp_path: Path) -> None:
    """After closing, git isn't started."""
    changes = Changes(tmp_path)
    changes.close()
    changes.refresh()
    assert () == changes.regions
