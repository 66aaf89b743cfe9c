"""Edits from a real repository's history."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from training.spans import Edit, edits
from training.types import SpanKind

FIRST = "import os\n\n\ndef first():\n    return 1\n"
SECOND = "\n\ndef second():\n    return os.sep\n"
VERSIONS = [
    FIRST,
    FIRST + SECOND,
    FIRST.replace("return 1", "value = 1\n    return value") + SECOND,
]


def seeded(seed: int) -> random.Random:
    """A generator whose numbers are the same in every run."""
    return random.Random(seed)  # noqa: S311


def git(folder: Path, *arguments: str) -> None:
    """Run git, as somebody, with no configuration but the repository's."""
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", *identity, *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A file in a folder, in three commits."""
    git(tmp_path, "init", "-q")
    path = tmp_path / "src" / "module.py"
    path.parent.mkdir()
    for number, text in enumerate(VERSIONS):
        path.write_text(text)
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "-q", "-m", f"commit {number}\n\n+++ b/other.py\n@@ -1 +1 @@")
    return tmp_path


def drawn(root: Path, count: int = 10) -> list[Edit]:
    """Edits of Python files, the longest file first."""
    found = edits(root, count=count, rng=seeded(1), wanted=lambda path: path.endswith(".py"))
    return sorted(found, key=lambda edit: -len(edit.text))


def test_middles_are_added_lines_in_their_commits_version(repository: Path) -> None:
    """Each commit's added lines are a middle of the file as that commit left it."""
    found = drawn(repository)
    assert [VERSIONS[2], VERSIONS[1]] == [edit.text for edit in found]
    newest, older = (edit.text[edit.span.start : edit.span.end].strip() for edit in found)
    assert newest.endswith("value = 1\n    return value")
    assert older.endswith("second():\n    return os.sep")
    assert {("src/module.py", SpanKind.EDIT)} == {(edit.path, edit.span.kind) for edit in found}
    assert 40 == len(found[0].commit)


def test_paths_are_relative_to_the_folder_that_is_learnt(repository: Path) -> None:
    """A folder inside a repository has paths of its own, and no edits from outside."""
    assert {"module.py"} == {edit.path for edit in drawn(repository / "src")}


def test_count_and_filter(repository: Path) -> None:
    """No more than asked for, and none of files that aren't wanted."""
    assert 1 == len(drawn(repository, 1))
    assert [] == drawn(repository, 0)
    assert [] == list(edits(repository, count=3, rng=seeded(0), wanted=lambda _: False))


def test_seed_decides(repository: Path) -> None:
    """The same seed draws the same edits."""
    assert drawn(repository, 1) == drawn(repository, 1)


def test_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a repository, a commit or git itself there are no edits, and no error."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert [] == drawn(tmp_path)
    git(tmp_path, "init", "-q")
    assert [] == drawn(tmp_path)
    monkeypatch.setenv("PATH", "")
    assert [] == drawn(tmp_path)
