from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from training.corpus import change_times, open_sources, sources
from training.corpus.sources import Package, parse_package, read_package_list
from training.types import CorpusError, Repository

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def opened(work_dir: Path, *specs: str | Path, history: bool = False) -> list[Repository]:
    """All repositories of some specs."""
    return list(open_sources([str(each) for each in specs], work_dir=work_dir, history=history))


@pytest.fixture
def commit(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a file in a repository and commit it; each command of git takes a day."""
    root = tmp_path / "tools"
    root.mkdir()
    days = iter(range(1, 10))

    def git(*arguments: str) -> None:
        date = f"2026-01-{next(days):02} 12:00:00 +0000"
        environment = {
            **dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"), "A"),
            **dict.fromkeys(("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"), "a@example.com"),
            **dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), date),
            **dict.fromkeys(("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"), "/dev/null"),
        }
        command = ["git", *arguments]
        subprocess.run(command, cwd=root, env=environment, check=True, capture_output=True)

    git("init", "-q")

    def written(name: str, text: str) -> Path:
        (root / name).write_text(text)
        git("add", ".")
        git("commit", "-q", "-m", name)
        return root

    return written


def test_a_folder_is_opened_where_it_is(tmp_path: Path) -> None:
    """A folder outside git has no commit and isn't copied."""
    root = tmp_path / "shapes"
    root.mkdir()
    assert [Repository("shapes", "", "", root)] == opened(tmp_path / "work", root)
    assert not (tmp_path / "work").exists()


def test_two_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    """A file's name in the corpus must be its own."""
    for parent in ("a", "b"):
        (tmp_path / parent / "shapes").mkdir(parents=True)
    repositories = opened(tmp_path, tmp_path / "a" / "shapes", tmp_path / "b" / "shapes")
    assert ["shapes", "shapes~2"] == [repository.name for repository in repositories]


def test_every_spec_is_looked_at_before_any_is_opened(tmp_path: Path) -> None:
    """A typing error in the last source is reported at once, with what a source can be."""
    sources = open_sources([str(tmp_path), "no/such/place"], work_dir=tmp_path / "work")
    with pytest.raises(CorpusError, match=r"no/such/place doesn't exist") as caught:
        next(sources)
    assert "pypi:NAME" in caught.value.hint


@needs_git
def test_a_work_tree_knows_its_commit(tmp_path: Path, commit: Callable[[str, str], Path]) -> None:
    """The commit is in the provenance of every example."""
    root = commit("a.py", "a = 1\n")
    (repository,) = opened(tmp_path / "work", root)
    assert 40 == len(repository.commit)


@needs_git
@pytest.mark.parametrize(("history", "commits"), [(False, 1), (True, 2)])
def test_an_address_is_cloned_as_deep_as_needed_and_once(
    tmp_path: Path, commit: Callable[[str, str], Path], *, history: bool, commits: int
) -> None:
    """Without history one commit is cloned; the second time nothing is fetched."""
    commit("a.py", "a = 1\n")
    origin = commit("b.py", "b = 2\n")
    work = tmp_path / "work"
    (repository,) = opened(work, origin.as_uri(), history=history)
    count = subprocess.run(
        ["git", "rev-list", "--count", "HEAD"],  # noqa: S607
        cwd=repository.root,
        capture_output=True,
        check=True,
    )
    assert commits == int(count.stdout)
    shutil.rmtree(origin)
    assert [repository] == opened(work, origin.as_uri(), history=history)


@needs_git
def test_hooks_and_filters_of_a_repository_don_t_run(
    tmp_path: Path, commit: Callable[[str, str], Path]
) -> None:
    """Opening a stranger's folder starts none of the programs it names."""
    root = commit("a.py", "a = 1\n")
    mark = tmp_path / "ran"
    config = root / ".git" / "config"
    config.write_text(config.read_text() + f'[core]\n\tfsmonitor = "touch {mark}"\n')
    opened(tmp_path / "work", root)
    change_times(root)
    assert not mark.exists()


@needs_git
def test_an_address_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """A failed clone is an error of one line, and no half of it is used the next time."""
    with pytest.raises(CorpusError, match="can't clone"):
        opened(tmp_path / "work", (tmp_path / "nowhere").as_uri())
    assert [] == list((tmp_path / "work" / "clones").iterdir())


def test_git_missing_is_told_where_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder needs no git; an address does."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "" == opened(tmp_path / "work", tmp_path)[0].commit
    assert {} == change_times(tmp_path)
    with pytest.raises(CorpusError, match="git is not installed"):
        opened(tmp_path / "work", "https://git.invalid/tools.git")


@needs_git
def test_change_times_are_of_each_files_newest_commit(
    commit: Callable[[str, str], Path],
) -> None:
    """A split by time uses the times of git's commits."""
    commit("old.py", "a = 1\n")
    commit("b c.py", "a = 1\n")
    times = change_times(commit("b c.py", "a = 2\n"))
    assert {"old.py", "b c.py"} == set(times)
    assert 4 * 24 * 3600 == times["b c.py"] - times["old.py"]


def zip_of(path: Path, members: dict[str, bytes]) -> Path:
    """Write a zip archive."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_an_archive_is_unpacked_once(tmp_path: Path) -> None:
    """A source archive's only folder is the root; the second time nothing is unpacked."""
    archive = zip_of(tmp_path / "shapes-1.0.zip", {"shapes-1.0/area.py": b"x = 1\n"})
    (first,) = opened(tmp_path / "work", archive)
    assert ("shapes-1.0", b"x = 1\n") == (first.name, (first.root / "area.py").read_bytes())
    (first.root / "area.py").write_bytes(b"marked")
    (second,) = opened(tmp_path / "work", archive)
    assert b"marked" == (second.root / "area.py").read_bytes()


def test_tar_archives_are_unpacked(tmp_path: Path) -> None:
    """Source distributions are tar archives."""
    path = tmp_path / "shapes.tar.xz"
    with tarfile.open(path, "w:xz") as archive:
        member = tarfile.TarInfo("area.py")
        member.size = 6
        archive.addfile(member, io.BytesIO(b"x = 1\n"))
    (repository,) = opened(tmp_path / "work", path)
    assert ["area.py"] == [path.name for path in repository.root.iterdir()]


def test_names_are_checked_before_pip_sees_them(tmp_path: Path) -> None:
    """Neither an option nor an address is a package."""
    assert Package("ruamel.yaml", "0.18") == parse_package("ruamel.yaml==0.18")
    for spec in ("--index-url=x", "a @ https://x", "../x", "x==--y", ""):
        with pytest.raises(CorpusError):
            parse_package(spec)
    with pytest.raises(CorpusError):
        opened(tmp_path, "pypi:-r")


def test_a_package_list_is_read(tmp_path: Path) -> None:
    """A list has names, versions and licences; another file is an error that says so."""
    path = tmp_path / "packages.json"
    path.write_text(json.dumps([{"name": "x", "version": "1.0", "licence": "MIT"}, {"name": "y"}]))
    assert [Package("x", "1.0", "MIT"), Package("y")] == read_package_list(path)
    for text in ("{}", "[1]", "[{}]", "no JSON", '[{"name": 1}]'):
        path.write_text(text)
        with pytest.raises(CorpusError):
            read_package_list(path)


def test_packages_are_fetched_once_and_come_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Downloads run beside each other, repositories come as they are listed, wheels stay."""
    downloads: list[str] = []

    def download(package: Package, scratch: Path) -> Path:
        downloads.append(package.name)
        metadata = b"Name: x\nLicense-Expression: MIT\n"
        name = f"{package.name}-2.0-py3-none-any.whl"
        members = {"area.py": b"x = 1\n", f"{package.name}-2.0.dist-info/METADATA": metadata}
        return zip_of(scratch / name, members)

    monkeypatch.setattr(sources, "_download", download)
    specs = ["pypi:first==2.0", "pypi:second==2.0", "pypi:third==2.0"]
    expected = [(name, "2.0", "MIT") for name in ("first", "second", "third")]
    for _ in range(2):
        repositories = opened(tmp_path / "work", *specs)
        assert expected == [(each.name, each.commit, each.licence) for each in repositories]
    assert {"first": 1, "second": 1, "third": 1} == {
        name: downloads.count(name) for name in downloads
    }


@pytest.mark.parametrize(
    ("versions", "asked"), [("1.0, 2.0", ["", "3.14", "3.13"]), ("none", [""])]
)
def test_a_wheel_for_another_python_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, versions: str, asked: list[str]
) -> None:
    """A wheel for another Python will do; a package that doesn't exist is asked for once."""
    pythons: list[str] = []
    complaint = (
        f"ERROR: Could not find a version that satisfies x==2.1 (from versions: {versions})\n"
        "ERROR: No matching distribution found for x==2.1"
    )

    def pip(_asked: str, scratch: Path, python: str) -> subprocess.CompletedProcess[bytes]:
        pythons.append(python)
        if python != "3.13":
            return subprocess.CompletedProcess([], 1, b"", complaint.encode())
        (scratch / "wheel").mkdir()
        zip_of(scratch / "wheel" / "x-2.1-cp313-cp313-any.whl", {"x.py": b"x = 1\n"})
        return subprocess.CompletedProcess([], 0, b"", b"")

    monkeypatch.setattr(sources, "_pip", pip)
    if versions == "none":
        with pytest.raises(CorpusError, match="No matching distribution"):
            sources.fetch_package(Package("x", "2.1"), tmp_path)
    else:
        assert "2.1" == sources.fetch_package(Package("x", "2.1"), tmp_path)[1]
    assert asked == pythons
