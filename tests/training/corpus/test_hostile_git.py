from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fimls.context.query import Region
from fimls.context.recent import Changes
from fimls.git import NoRepositoryError, Repository, opened_around
from tests.hostile_git import HOSTILE, SPRUNG_BY_A_PLAIN_GIT, Build, Trap, dirty, git, ordinary
from training.corpus.git import change_times, clone, commit_of
from training.evaluation.repository import read_repository
from training.spans.edits import edits
from training.types import CorpusError

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="no git here")

ROOT = Path(__file__).parents[3]
RANDOM = random.Random  # a sample, not a secret


@pytest.fixture
def trap(tmp_path: Path) -> Trap:
    """A program that must not run."""
    home = tmp_path / "trap"
    home.mkdir()
    return Trap(home)


def look(folder: Path) -> None:
    """Ask all that fimls asks git about a folder: the server, the replay, bench, eval, prepare."""
    Changes(folder).refresh()
    read_repository(folder)
    commit_of(folder)
    change_times(folder)
    list(edits(folder, count=5, rng=RANDOM(0), wanted=lambda _: True))


@pytest.mark.parametrize("build", HOSTILE.values(), ids=HOSTILE.keys())
def test_nothing_that_a_repository_names_is_run(build: Build, trap: Trap, tmp_path: Path) -> None:
    """Whatever its configuration names, no program runs when a folder is opened or prepared."""
    folder = build(tmp_path / "folder", trap)
    (trap.home / "ran").unlink(missing_ok=True)  # building it may have
    look(folder)
    assert not trap.sprung


@pytest.mark.parametrize("build", HOSTILE.values(), ids=HOSTILE.keys())
def test_nothing_is_run_by_a_clone_of_it(build: Build, trap: Trap, tmp_path: Path) -> None:
    """Nor when a person asks for a clone of one that is on this machine."""
    folder = build(tmp_path / "folder", trap)
    (trap.home / "ran").unlink(missing_ok=True)
    with contextlib.suppress(CorpusError):  # some have nothing to clone
        clone(folder.as_uri(), tmp_path / "clone", history=False)
    assert not trap.sprung


@pytest.mark.slow
@pytest.mark.parametrize("name", ["included", "linked work tree"])
def test_nothing_is_run_by_a_command(
    name: str, trap: Trap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole commands: ``prepare``, ``eval`` and ``bench``, which starts a server too."""
    monkeypatch.setenv("FIMLS_HOME", str(tmp_path / "home"))
    folder = HOSTILE[name](tmp_path / "folder", trap)
    shutil.copy(ROOT / "fimls" / "uris.py", folder)  # enough code for all of them
    (trap.home / "ran").unlink(missing_ok=True)
    script = tmp_path / "script.json"
    script.write_text('[{"after": "return ", "insert": ["width"]}]')
    scripted = ("--engine", "scripted", "--set", f"scripted_file={script}")
    for words in (
        ("prepare", folder, "-o", "data", "--no-context", "--jobs", 1),
        ("eval", f"spans:{folder}", "-o", "report", "--limit", 1, "--jobs", 1, *scripted),
        ("bench", "keystrokes", folder, "--pace", "wait", "--functions", 1, *scripted),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "fimls", *map(str, words)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=False,
            capture_output=True,
            text=True,
        )
        assert 0 == done.returncode, done.stderr
        assert not trap.sprung


@pytest.mark.parametrize("name", SPRUNG_BY_A_PLAIN_GIT)
def test_these_are_traps(name: str, trap: Trap, tmp_path: Path) -> None:
    """A plain ``git diff`` runs the program: the tests above could fail."""
    folder = HOSTILE[name](tmp_path / "folder", trap)
    (trap.home / "ran").unlink(missing_ok=True)
    subprocess.run(
        ["git", "diff", "HEAD", "--", "."],  # noqa: S607
        cwd=folder,
        check=False,
        capture_output=True,
        env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"},
    )
    assert trap.sprung


def seen(folder: Path) -> tuple[Region, ...]:
    """The regions of a folder that git says have changed."""
    changes = Changes(folder)
    changes.refresh()
    assert "" == changes.note
    return changes.regions


def everything(folder: Path) -> tuple[object, ...]:
    """What all questions to git tell about the repository of ``ordinary``, made ``dirty``."""
    listed = read_repository(folder)
    drawn = edits(folder, count=5, rng=RANDOM(0), wanted=lambda _: True)
    return (
        seen(folder),
        listed.files,
        commit_of(folder),
        sorted(change_times(folder)),
        [edit.path for edit in drawn],
    )


def test_an_ordinary_repository_answers(tmp_path: Path) -> None:
    """Changes, files, commit, times and edits are git's; what it ignores isn't listed."""
    folder = ordinary(tmp_path / "folder")
    (folder / ".gitignore").write_text("ignored.py\n")
    (folder / ".git" / "info" / "exclude").write_text("excluded.py\n")
    for name in ("ignored.py", "excluded.py", "untracked.py"):
        (folder / name).write_text("")
    dirty(folder)
    assert (
        (Region("a.py", 0, 1),),
        (".gitignore", "a.py", "pkg/b.py", "untracked.py"),
        git(folder, "rev-parse", "HEAD"),
        ["a.py", "pkg/b.py"],
        ["a.py"],
    ) == everything(folder)


@pytest.mark.parametrize(
    "name",
    [
        *("filter clean", "filter named lfs", "monitor", "textconv", "hooks", "included"),
        *("linked work tree", ".git that points elsewhere", ".git that is a link", "alternates"),
        *("submodule", "nested repository", "a program named git"),
    ],
)
def test_a_hostile_repository_answers_too(name: str, trap: Trap, tmp_path: Path) -> None:
    """It isn't refused: what it says of its files is right, without its programs."""
    folder = HOSTILE[name](tmp_path / "folder", trap)
    assert (Region("a.py", 0, 1),) == seen(folder)
    assert ["a.py", "pkg/b.py"] == sorted(
        path for path in read_repository(folder).files if path in {"a.py", "pkg/b.py"}
    )
    assert git(folder, "rev-parse", "HEAD") == commit_of(folder)


@pytest.mark.parametrize(
    "change",
    [
        ("pack-refs", "--all"),
        ("checkout", "-q", "--detach"),
        ("repack", "-qad"),
        ("update-index", "--index-version", "4"),
        ("update-index", "--untracked-cache"),
        ("config", "core.autocrlf", "input"),
    ],
    ids=" ".join,
)
def test_however_it_is_kept(change: tuple[str, ...], tmp_path: Path) -> None:
    """Packed or loose, on a branch or not: the answers are the same."""
    folder = ordinary(tmp_path / "folder")
    git(folder, *change)
    (folder / "a.py").write_text("new = 1\n" + (folder / "a.py").read_text())
    assert (Region("a.py", 0, 1),) == seen(folder)
    assert git(folder, "rev-parse", "HEAD") == commit_of(folder)
    assert ["a.py", "pkg/b.py"] == sorted(change_times(folder))


def test_how_lines_end_is_the_repository_s_to_say(tmp_path: Path) -> None:
    """With its autocrlf, a file with other line ends has not changed."""
    folder = ordinary(tmp_path / "folder")
    git(folder, "config", "core.autocrlf", "true")
    text = (folder / "a.py").read_bytes().replace(b"\n", b"\r\n")
    (folder / "a.py").write_bytes(text + b"new = 1\r\n")
    assert (Region("a.py", 6, 7),) == seen(folder)


def test_other_hashes(tmp_path: Path) -> None:
    """A repository of SHA-256 objects answers like any other."""
    (tmp_path / "a.py").write_text("a = 1\n")
    git(tmp_path, "init", "-q", "--object-format=sha256")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    (tmp_path / "a.py").write_text("a = 1\nb = 2\n")
    assert (Region("a.py", 1, 2),) == seen(tmp_path)
    assert 64 == len(commit_of(tmp_path))


def test_a_shallow_clone(tmp_path: Path) -> None:
    """It has one commit, by which all has changed, and its end is no error."""
    ordinary(tmp_path / "origin")
    clone((tmp_path / "origin").as_uri(), tmp_path / "clone", history=False)
    (tmp_path / "clone" / "a.py").write_text("new = 1\n")
    assert (Region("a.py", 0, 1),) == seen(tmp_path / "clone")
    assert ["a.py", "pkg/b.py"] == sorted(change_times(tmp_path / "clone"))
    assert "1" == git(tmp_path / "clone", "rev-list", "--count", "HEAD")


def test_a_persons_own_filters_are_not_run_by_a_folder(
    trap: Trap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder's attributes can't choose among the programs of the person's configuration, but
    the files that the person ignores everywhere are ignored.
    """
    (tmp_path / "everywhere").write_text("scratch.py\n")
    (tmp_path / "person").write_text(
        f'[filter "x"]\n\tclean = {trap.program}\n\tsmudge = {trap.program}\n'
        f"[core]\n\texcludesFile = {tmp_path / 'everywhere'}\n\tfsmonitor = {trap.program}\n"
    )
    folder = ordinary(tmp_path / "folder", attributes="* filter=x\n")
    (folder / "scratch.py").write_text("")
    dirty(folder)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "person"))
    look(folder)
    clone(folder.as_uri(), tmp_path / "clone", history=True)
    assert not trap.sprung
    assert "scratch.py" not in read_repository(folder).files
    assert (tmp_path / "clone" / "a.py").exists()


@pytest.mark.parametrize(
    ("build", "why"),
    [
        (
            lambda folder: git(folder, "config", "extensions.future", "x"),
            "the repository uses extensions.future, which fimls doesn't support",
        ),
        (
            lambda folder: (folder / ".git" / "HEAD").write_text("ref: ../../outside\n"),
            "the repository's HEAD names neither a branch nor a commit",
        ),
        (
            lambda folder: (folder / ".git" / "index").write_bytes(b"DIRC broken"),
            "git diff failed, with the exit code 128",
        ),
        (
            lambda folder: (folder / ".git" / "config").write_text("[broken\n"),
            "git config failed, with the exit code 128",
        ),
    ],
)
def test_why_git_is_not_asked_is_said(
    build: Callable[[Path], object], why: str, tmp_path: Path
) -> None:
    """What can't be read safely isn't; the person is told, and files are found by walking."""
    folder = ordinary(tmp_path / "folder")
    build(folder)
    changes = Changes(folder)
    changes.refresh()
    assert ((), f"uncommitted changes are not known: {why}") == (changes.regions, changes.note)
    assert ("a.py", "pkg/b.py") == read_repository(folder).files


def test_a_pointer_that_is_no_path(tmp_path: Path) -> None:
    """A ``.git`` file with a zero byte names no repository, and fails nothing."""
    (tmp_path / "a.py").write_text("one = 1\n")
    (tmp_path / ".git").write_text("gitdir: a\0b\n")
    look(tmp_path)
    assert {} == change_times(tmp_path)
    assert ("a.py",) == read_repository(tmp_path).files


def test_a_partial_clone_fetches_nothing(trap: Trap, tmp_path: Path) -> None:
    """What lies elsewhere is unknown, which is said."""
    changes = Changes(HOSTILE["partial clone, uploadpack"](tmp_path / "folder", trap))
    changes.refresh()
    assert () == changes.regions
    assert "uncommitted changes are not known: git diff failed" in changes.note
    assert not trap.sprung


def test_a_committed_repository_is_none(trap: Trap, tmp_path: Path) -> None:
    """A folder that looks like a bare repository belongs to the one around it."""
    inner = HOSTILE["embedded bare repository"](tmp_path / "folder", trap)
    around = Repository.around(inner)
    assert around is not None
    assert tmp_path / "folder" == around.top


def test_variables_point_git_nowhere_else(
    trap: Trap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an editor's or a hook's environment says of another repository is left out."""
    other, folder = ordinary(tmp_path / "other"), ordinary(tmp_path / "folder")
    dirty(folder)
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", trap.program)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.fsmonitor")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", trap.program)
    assert (Region("a.py", 0, 1),) == seen(folder)
    assert not trap.sprung


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the repository nor the folder of temporary files has anything new."""
    folder = ordinary(tmp_path / "folder")
    dirty(folder)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    look(folder)
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert [] == list(scratch.iterdir())


def test_relative_parts_of_the_path_hold_no_git(
    trap: Trap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ``.`` on the PATH, a folder's own git is not the one that is asked."""
    folder = HOSTILE["a program named git"](tmp_path / "folder", trap)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", f".{os.pathsep}{os.environ['PATH']}")
    assert (Region("a.py", 0, 1),) == seen(folder)
    assert not trap.sprung


def test_git_is_asked_in_one_place() -> None:
    """No other module starts it: what is asked around this one is not safe."""
    naming = [
        path.relative_to(ROOT).as_posix()
        for package in ("fimls", "training")
        for path in (ROOT / package).rglob("*.py")
        if re.search(r"""(?:\[|\*\()\s*["']git["'],|which\(["']git["']""", path.read_text("utf-8"))
    ]
    assert ["fimls/git.py"] == naming


def test_no_repository_is_no_error(tmp_path: Path) -> None:
    """It is told apart from one that can't be asked."""
    with pytest.raises(NoRepositoryError), opened_around(tmp_path):
        pass
