from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from fimls.context.folder import Folder
from fimls.context.git import Changes, parse_diff
from fimls.context.query import Region

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
    """What was added or changed since the commit, staged or not; deleted lines have no place."""
    text = (repository / "a.py").read_text()
    (repository / "a.py").write_text(text.replace("line 2\nline 3\n", "two\nthree\n") + "end\n")
    (repository / "pkg/b.py").write_text(text.replace("line 5\n", ""))
    git(repository, "add", "a.py")
    assert (Region("a.py", 2, 4), Region("a.py", 10, 11)) == refreshed(repository)


@needs_git
def test_a_folder_in_a_repository(repository: Path) -> None:
    """Paths are relative to the folder, and what lies outside is left out."""
    for name in ("a.py", "pkg/b.py"):
        (repository / name).write_text("new\n" + (repository / name).read_text())
    assert (Region("b.py", 0, 1),) == refreshed(repository / "pkg")


@needs_git
def test_no_repository(tmp_path: Path) -> None:
    """Without a repository, or a commit in it, nothing has changed."""
    assert () == refreshed(tmp_path)
    git(tmp_path, "init", "-q")
    assert () == refreshed(tmp_path)


def test_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without git, and in a folder that is gone, nothing has changed."""
    assert () == refreshed(tmp_path / "gone")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert () == refreshed(tmp_path)


@needs_git
def test_a_git_that_hangs(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is ended after the timeout, nothing has changed, and it is said."""
    fake = tmp_path / "git"
    fake.write_text("#!/bin/sh\nexec sleep 1000\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("fimls.context.git._TIMEOUT_S", 0.2)
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
    """Nothing is started any more."""
    changes = Changes(tmp_path)
    changes.close()
    changes.refresh()
    assert () == changes.regions


def test_odd_output() -> None:
    """Quoted paths are left out; a changed line that looks like a header is no file."""
    output = (
        b'diff --git "a/\\t.py" "b/\\t.py"\n--- "a/\\t.py"\n+++ "b/\\t.py"\n@@ -1 +1 @@\n-x\n+y\n'
        b"diff --git a/b c.py b/b c.py\n--- a/b c.py\t\n+++ b/b c.py\t\n@@ -3,0 +4,2 @@ def f\n+y\n"
        b"+++ b/other.py\n@@ -9 +9 @@\n-x\n+y\n"
    )
    assert (Region("b c.py", 3, 5), Region("b c.py", 8, 9)) == parse_diff(output)
