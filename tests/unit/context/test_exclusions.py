"""What must not be read: by its place, by its name, by its bytes."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from fimls.context.exclusions import Exclusions
from fimls.context.reasons import MAX_FILE_BYTES, content_reason
from fimls.syntax import get_language, language_of
from fimls.types import ConfigError
from tests.growth import LINEAR, growth

FILES = """
    a.py src/b.py src/deep/c.go src/deep/gen/d.py src/deep/keep.py logs/e.py notes.txt
    node_modules/x/index.js pkg/vendor/v.go .git/hooks/h.py .env secrets.yaml secrets.py
    src/app.min.js src/x_pb2.py package-lock.json
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return a folder with many kinds of files, each with a line in it."""
    folder = tmp_path / "workspace"
    for name in FILES.split():
        write(folder / name)
    return folder


def write(path: Path, text: str = "x = 1\n") -> Path:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def walked(folder: Path, *globs: str) -> set[str]:
    """Return the relative paths that a walk yields."""
    exclusions = Exclusions(folder, globs)
    return {path.relative_to(exclusions.folder).as_posix() for path, _ in exclusions.walk()}


CODE = {"a.py", "src/b.py", "src/deep/c.go", "src/deep/gen/d.py", "src/deep/keep.py", "logs/e.py"}


def test_walk_yields_code_and_prunes_the_rest(workspace: Path) -> None:
    """Files with a language, without secrets, vendored, generated, minified or locked ones."""
    assert CODE | {"secrets.py"} == walked(workspace)


def test_walk_agrees_with_path_reason(workspace: Path) -> None:
    """A walk yields exactly the files that have no reason against them and a known language."""
    write(workspace / ".gitignore", "logs/\n*.go\n!src/deep/c.go\n")
    write(workspace / "src/.gitignore", "gen\n")
    write(workspace / "pkg/.fimlsignore", "!vendor/\n")
    exclusions = Exclusions(workspace)
    expected = {
        path.relative_to(workspace).as_posix()
        for path in workspace.rglob("*")
        if path.is_file()
        and get_language(language_of(path))
        and exclusions.path_reason(path) is None
    }
    assert expected == walked(workspace)
    assert "src/deep/c.go" in expected
    assert "pkg/vendor/v.go" not in expected  # *.go still holds
    assert "src/deep/gen/d.py" not in expected


@pytest.mark.parametrize(
    ("ignore", "file", "ignored"),
    [
        ("*.log.py", "a/b.log.py", True),
        ("/top.py", "top.py", True),
        ("/top.py", "a/top.py", False),
        ("out/", "out/a.py", True),
        ("out/", "a/out/b.py", True),
        ("out/", "out.py", False),
        ("a/**/z.py", "a/b/c/z.py", True),
        ("*.py\n!keep.py", "keep.py", False),
        ("*.py\n!keep.py", "b.py", True),
        ("dir/\n!dir/keep.py", "dir/keep.py", True),
        ("dir/*\n!dir/keep.py", "dir/keep.py", False),
        ("# comment\n\n[", "a.py", False),
        ("[z-a].py\n!\nb.py", "b.py", True),
        ("b.py\r", "b.py", True),
        (
            "f\N{LATIN SMALL LETTER E WITH ACUTE}.py",
            "f\N{LATIN SMALL LETTER E WITH ACUTE}.py",
            True,
        ),
    ],
)
@pytest.mark.parametrize("name", [".gitignore", ".fimlsignore"])
def test_patterns(tmp_path: Path, ignore: str, file: str, name: str, *, ignored: bool) -> None:
    """Both files follow gitignore(5); a line that isn't a pattern doesn't affect the others."""
    write(tmp_path / name, ignore)
    path = write(tmp_path / file)
    reason = f"ignored by {name}" if ignored else None
    assert reason == Exclusions(tmp_path).path_reason(path)


def test_nested_files_override(tmp_path: Path) -> None:
    """A deeper .gitignore overrides those above it, and is relative to its own folder."""
    write(tmp_path / ".gitignore", "*.gen.py\n")
    write(tmp_path / "a/.gitignore", "!*.gen.py\n/b.py\n")
    exclusions = Exclusions(tmp_path)
    assert exclusions.path_reason(write(tmp_path / "x.gen.py")) == "ignored by .gitignore"
    assert exclusions.path_reason(write(tmp_path / "a/x.gen.py")) is None
    assert exclusions.path_reason(write(tmp_path / "a/b.py")) == "ignored by .gitignore"
    assert exclusions.path_reason(write(tmp_path / "a/c/b.py")) is None


def test_changed_ignore_files_count_at_once(tmp_path: Path) -> None:
    """An edit of .gitignore takes effect at the next question, and so does its deletion."""
    path = write(tmp_path / "a.py")
    exclusions = Exclusions(tmp_path)
    assert exclusions.path_reason(path) is None
    ignore = write(tmp_path / ".gitignore", "a.py\n")
    assert exclusions.path_reason(path) == "ignored by .gitignore"
    write(ignore, "nothing.py\n")
    assert exclusions.path_reason(path) is None
    write(ignore, "a.py\n")
    ignore.unlink()
    assert exclusions.path_reason(path) is None


def test_the_repository_around_a_workspace(tmp_path: Path) -> None:
    """In a folder inside a repository, the .gitignore above it and info/exclude count, too."""
    write(tmp_path / ".git/info/exclude", "mine.py\n")
    write(tmp_path / ".gitignore", "/sub/generated.py\n")
    folder = tmp_path / "sub"
    for name in ("mine.py", "generated.py", "b.py"):
        write(folder / name)
    assert {"b.py"} == walked(folder)


def test_a_workspace_that_is_itself_ignored(tmp_path: Path) -> None:
    """A folder that its repository ignores can be opened; its own ignore files still count."""
    write(tmp_path / ".git/info/exclude", "")
    write(tmp_path / ".gitignore", "scratch/\n*.py\n")
    folder = tmp_path / "scratch" / "new"
    write(folder / ".gitignore", "b.py\n")
    write(folder / "a.py")
    write(folder / "b.py")
    assert {"a.py"} == walked(folder)


def test_a_second_work_tree(tmp_path: Path) -> None:
    """A work tree whose .git is a file shares info/exclude with its repository."""
    write(tmp_path / "real/info/exclude", "mine.py\n")
    write(tmp_path / "real/worktrees/w/commondir", "../..\n")
    write(tmp_path / "w/.git", f"gitdir: {tmp_path}/real/worktrees/w\n")
    write(tmp_path / "w/mine.py")
    write(tmp_path / "w/yours.py")
    assert {"yours.py"} == walked(tmp_path / "w")


@pytest.mark.skipif(shutil.which("git") is None, reason="no git")
def test_git_agrees(tmp_path: Path) -> None:
    """Git itself ignores the same files."""
    write(tmp_path / ".gitignore", "*.tmp.py\n/only/\nx/**/y.py\n!x/keep/y.py\na*b.py\n")
    write(tmp_path / "x/.gitignore", "local.py\n!*.tmp.py\n")
    names = "a.py q.tmp.py only/a.py sub/only/a.py x/y.py x/1/2/y.py x/keep/y.py aXb.py x/local.py"
    for name in (*names.split(), "local.py", "x/q.tmp.py"):
        write(tmp_path / name)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, env=environment, check=True)  # noqa: S607
    command = ["git", "ls-files", "--others", "--exclude-standard", "*.py"]
    listed = subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert set(listed.stdout.decode().split()) == walked(tmp_path)


def test_settings_exclude(workspace: Path) -> None:
    """The globs of the setting are patterns like those in ignore files."""
    assert CODE - {"logs/e.py", "src/deep/c.go"} == walked(workspace, "logs", "*.go", "/secrets.py")
    assert Exclusions(workspace, ["a.py"]).path_reason(workspace / "a.py") == "excluded by settings"


def test_a_setting_that_is_no_pattern(tmp_path: Path) -> None:
    """A glob that isn't a pattern is an error; it isn't ignored."""
    with pytest.raises(ConfigError, match="exclude"):
        Exclusions(tmp_path, ["[z-a].py"])


def test_fimlsignore_takes_back_a_folder_but_no_secret(workspace: Path) -> None:
    """``!vendor/`` makes a vendored folder readable; secrets and ignored files stay out."""
    write(workspace / ".fimlsignore", "!vendor/\n!.env\n!secrets.yaml\n!b.py\n")
    write(workspace / ".gitignore", "b.py\n")
    exclusions = Exclusions(workspace)
    assert exclusions.path_reason(workspace / "pkg/vendor/v.go") is None
    assert exclusions.path_reason(workspace / ".env") == "secret file"
    assert exclusions.path_reason(workspace / "secrets.yaml") == "secret file"
    assert exclusions.path_reason(workspace / "src/b.py") == "ignored by .gitignore"


KEY_FILES = """
    .env .env.local prod.env .envrc x.pem server.KEY id_rsa id_ed25519.pub a.p12 a.pfx a.keystore
    .netrc .npmrc .pypirc credentials credentials.json secrets.yml secrets.toml vault.kdbx
    .ssh/config .aws/config main.tfvars .htpasswd .git-credentials
"""


@pytest.mark.parametrize("name", KEY_FILES.split())
def test_secret_files(tmp_path: Path, name: str) -> None:
    """Files for keys and passwords are never read, whether they exist or not."""
    assert Exclusions(tmp_path).path_reason(tmp_path / "sub" / name) == "secret file"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("secrets.py", None),  # a program; its lines are looked through
        ("credentials.go", None),
        ("environment.py", None),
        ("tokens/monkey.py", None),
        ("a/Target/X.java", None),
        ("node_modules/a.js", "vendored or build folder"),
        ("a/.venv/b.py", "vendored or build folder"),
        ("lib/site-packages/b.py", "vendored or build folder"),
        ("a/__pycache__/b.py", "vendored or build folder"),
        ("target/debug/b.rs", "vendored or build folder"),
        (".git/config", "vendored or build folder"),
        ("a_pb2.py", "generated"),
        ("a.min.js", "minified"),
        ("yarn.lock", "lock or data file"),
        ("package-lock.json", "lock or data file"),
        ("data.csv", "lock or data file"),
        ("logo.png", "binary"),
        ("module.pyc", "binary"),
    ],
)
def test_names(tmp_path: Path, name: str, reason: str | None) -> None:
    """Many files are judged by their names alone, before they exist."""
    assert reason == Exclusions(tmp_path).path_reason(tmp_path / name)


@pytest.mark.parametrize("mark", ["pyvenv.cfg", "CACHEDIR.TAG"])
def test_folders_that_say_what_they_are(tmp_path: Path, mark: str) -> None:
    """A virtual environment or a cache of any name is left out."""
    write(tmp_path / "mine" / mark)
    path = write(tmp_path / "mine/lib/a.py")
    assert Exclusions(tmp_path).path_reason(path) == "vendored or build folder"
    assert walked(tmp_path) == set()


def test_outside(tmp_path: Path) -> None:
    """Other folders, the workspace's parent and paths that climb out are outside."""
    folder = tmp_path / "workspace"
    exclusions = Exclusions(folder)
    outside = [tmp_path / "x.py", folder / "../x.py", folder, tmp_path / "workspace2/x.py"]
    assert ["outside the workspace"] * 4 == [exclusions.path_reason(each) for each in outside]
    assert exclusions.path_reason(Path(f"{folder}/a\0b.py")) == "outside the workspace"


def test_links_out_of_the_workspace(tmp_path: Path, workspace: Path) -> None:
    """A link to a file or folder outside is outside, and a walk doesn't enter it."""
    write(tmp_path / "other/private.py")
    (workspace / "link.py").symlink_to(tmp_path / "other/private.py")
    (workspace / "linked").symlink_to(tmp_path / "other")
    exclusions = Exclusions(workspace)
    assert exclusions.path_reason(workspace / "link.py") == "outside the workspace"
    assert exclusions.path_reason(workspace / "linked/private.py") == "outside the workspace"
    assert CODE | {"secrets.py"} == walked(workspace)


def test_links_within_the_workspace(workspace: Path) -> None:
    """A link is judged by both its names; a walk finds the file once, where it is."""
    (workspace / "harmless.py").symlink_to(workspace / ".env")
    (workspace / "again.py").symlink_to(workspace / "a.py")
    exclusions = Exclusions(workspace)
    assert exclusions.path_reason(workspace / "harmless.py") == "secret file"
    assert exclusions.path_reason(workspace / "again.py") is None
    assert CODE | {"secrets.py"} == walked(workspace)


def test_a_workspace_opened_through_a_link(tmp_path: Path, workspace: Path) -> None:
    """Paths count as inside by the folder's link and by its real path."""
    (tmp_path / "link").symlink_to(workspace)
    exclusions = Exclusions(tmp_path / "link")
    assert exclusions.path_reason(tmp_path / "link/a.py") is None
    assert exclusions.path_reason(workspace / "a.py") is None
    assert CODE | {"secrets.py"} == walked(tmp_path / "link")


def test_cycles_of_links_end(workspace: Path) -> None:
    """Links that lead in circles stop neither a walk nor a question."""
    (workspace / "src/up").symlink_to(workspace)
    (workspace / "one.py").symlink_to(workspace / "two.py")
    (workspace / "two.py").symlink_to(workspace / "one.py")
    assert CODE | {"secrets.py"} == walked(workspace)
    Exclusions(workspace).path_reason(workspace / "one.py")
    assert Exclusions(workspace).path_reason(workspace / "src/up/src/up/a.py") is None


def test_pipes_and_folders_are_no_files(tmp_path: Path) -> None:
    """A named pipe is never opened, as a file or as an ignore file: that could wait for ever."""
    os.mkfifo(tmp_path / "pipe.py")
    os.mkfifo(tmp_path / ".gitignore")
    (tmp_path / "folder.py").mkdir()
    exclusions = Exclusions(tmp_path)
    assert exclusions.path_reason(tmp_path / "pipe.py") == "not a regular file"
    assert exclusions.path_reason(tmp_path / "folder.py") == "not a regular file"
    assert walked(tmp_path) == set()


_opened: list[str] | None = None


def _note(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook, which stays for good: whoever opens a file by whatever way is seen."""
    if _opened is not None and event == "open":
        _opened.append(str(arguments[0]))


def test_a_huge_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """50 MB on a single line are refused by their size, without being read."""
    path = tmp_path / "huge.py"
    with path.open("wb") as file:
        file.truncate(50_000_000)
    sys.addaudithook(_note)
    opened: list[str] = []
    monkeypatch.setattr(sys.modules[__name__], "_opened", opened)
    assert Exclusions(tmp_path).path_reason(path) == "too large"
    assert walked(tmp_path) == set()
    assert str(path) not in opened
    path.read_bytes()
    assert str(path) in opened, "who reads it is seen"


def test_files_that_vanish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder or file that is deleted during a walk is skipped."""
    for name in ("a/x.py", "b/y.py", "c/z.py"):
        write(tmp_path / name)
    walk = Exclusions(tmp_path).walk()
    assert next(walk)[0].name == "z.py"
    shutil.rmtree(tmp_path / "b")
    real_folder, real_scandir = tmp_path.resolve(), os.scandir

    def scandir_then_delete(
        path: Path,
    ) -> contextlib.nullcontext[list[os.DirEntry[str]]]:
        scan = real_scandir(path)
        entries = list(scan)
        scan.close()
        if path == real_folder / "a":
            (path / "x.py").unlink()
        return contextlib.nullcontext(entries)

    monkeypatch.setattr(os, "scandir", scandir_then_delete)
    assert [] == list(walk)
    assert [] == list(Exclusions(tmp_path / "gone").walk())


@pytest.mark.usefixtures("permissions")
def test_folders_without_permission(tmp_path: Path) -> None:
    """Folders that can't be listed are skipped."""
    write(tmp_path / "a.py")
    folder = write(tmp_path / "closed/b.py").parent
    folder.chmod(0)
    try:
        assert {"a.py"} == walked(tmp_path)
    finally:
        folder.chmod(0o700)


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    """A file name that isn't UTF-8 is left out: no prompt or database could contain it."""
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.py"))
    write(path)
    assert Exclusions(tmp_path).path_reason(path) == "name is not UTF-8"
    assert walked(tmp_path) == set()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", None),
        (b"x = 1\n" * 1_000, None),
        ("naïve = 'é'\n".encode() * 100, None),
        (b"x = 1\n" * (MAX_FILE_BYTES // 6 + 1), "too large"),
        (b"x = 1\n" * 5_000 + b"\0", "binary"),
        (b"caf\xe9 = 1\n", "not UTF-8"),
        ("x = 1\n".encode("utf-16"), "binary"),
        (b"var a=1;" * 1_000 + b"\n", "minified"),
        (b"var a = 1;\n" * 1_000 + b"x" * 6_000 + b"\n", "minified"),
        ((b"a" * 250 + b"\n") * 10, "minified"),
        (b"a" * 250, None),
        (b"# Code generated by protoc. DO NOT EDIT.\nx = 1\n", "generated"),
        (b"// @generated by hand\nx\n", "generated"),
        (b"/*\n * This file was automatically generated by SWIG.\n */\n", "generated"),
        (b'"""Generated by Django 5."""\n', "generated"),
        (b"\n\n# Autogenerated by uv\n", "generated"),
        (b"MARK = '@generated'\n", None),
        (b"print('DO NOT EDIT')\n", None),
        (b"# tokens are generated by the lexer\n", None),
        (b"x = 1\n" * 500 + b"# DO NOT EDIT the line above\n", None),
    ],
)
def test_contents(data: bytes, reason: str | None) -> None:
    """Binary, minified, generated, too large and wrongly encoded contents are recognised."""
    assert reason == content_reason(data)


def test_contents_are_gone_through_once() -> None:
    """The cost of judging a file grows linearly with its size."""

    def judged(lines: int) -> Callable[[], object]:
        data = b"def function(argument):  # a usual line of code\n" * lines
        return lambda: content_reason(data)

    assert growth(judged, 2_000) < LINEAR


def test_threads_share_one(workspace: Path) -> None:
    """Several threads may ask while ignore files change."""
    exclusions = Exclusions(workspace)
    path = workspace / "src/deep/keep.py"
    answers: set[str | None] = set()

    def ask() -> None:
        answers.update(exclusions.path_reason(path) for _ in range(100))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for turn in range(20):
        write(workspace / "src/.gitignore", f"keep.py\n# {turn}\n")
    for thread in threads:
        thread.join()
    assert answers <= {None, "ignored by .gitignore"}
    assert exclusions.path_reason(path) == "ignored by .gitignore"
