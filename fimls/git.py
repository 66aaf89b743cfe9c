"""Asks git about a folder without running anything that the folder names.

A repository's configuration may name programs: filters, hooks, monitors, diff tools, the other end
of a fetch. A list of such settings would be incomplete with git's next version, so git never reads
that configuration here. Each :class:`Git` gets a repository of our own instead, with an empty
configuration and without hooks, attributes and remotes; only the objects, the index and the files
are the person's. Settings that can't name a program, such as how lines end, are copied. The
person's own configuration isn't used either, because a folder's ``.gitattributes`` could choose
among the filters in it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fimls.types import FimlsError

TIMEOUT_S = 60.0

_ALWAYS = (
    *("--no-optional-locks", "--no-pager"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.hooksPath=" + os.devnull),
    *("-c", "core.quotePath=false"),
    *("-c", "diff.autoRefreshIndex=false"),  # it would write the index, locks or not
    *("-c", "log.showSignature=false"),
    *("-c", "safe.bareRepository=explicit"),
    *("-c", "submodule.recurse=false"),
)
_WORD = re.compile(r"true|false|input|auto|warn|lf|crlf|native")
_COPIED = frozenset(
    {
        "core.autocrlf",
        "core.eol",
        "core.filemode",
        "core.ignorecase",
        "core.precomposeunicode",
        "core.symlinks",
    }
)
"""Settings that change how files compare with the index. Their values are single words."""

DIFF = (
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--no-renames",
    "--ignore-submodules=all",
    "--relative",
    "--src-prefix=a/",
    "--dst-prefix=b/",
    "--unified=0",
)
"""The options of a diff that :func:`added_lines` reads."""

_OBJECT_FORMATS = frozenset({"sha1", "sha256"})
_KNOWN_EXTENSIONS = frozenset(
    {
        "noop",
        "objectformat",
        "partialclone",
        "preciousobjects",
        "relativeworktrees",
        "worktreeconfig",
    }
)
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REF = re.compile(r"refs(?:/(?!\.)[^\s/:?*\[\\^~]+)+")
_DIFFED_FILE = re.compile(rb"^\+\+\+ b/(.+)$")
_HUNK = re.compile(rb"^@@ -\S+ \+(\d+)(?:,(\d+))? @@")
_POINTER_BYTES_MAX = 10_000
_CONFIG_BYTES_MAX = 1_000_000
_PACKED_REFS_BYTES_MAX = 100_000_000
_LINKS_MAX = 5


class GitError(FimlsError):
    """Git can't answer: ``str(error)`` says why."""


class NoRepositoryError(GitError):
    """There is nothing to ask: the folder is in no repository, or git isn't installed."""


@dataclass(frozen=True, slots=True)
class Repository:
    """The folders of a repository."""

    top: Path | None
    """The work tree; None: a bare repository."""
    own: Path
    """The folder of HEAD and the index."""
    common: Path
    """The folder of objects, references and configuration; another one for a linked work tree."""

    @classmethod
    def around(cls, folder: Path) -> Repository | None:
        """Find the repository that a folder is in, by its ``.git``. Bare repositories aren't found:
        they could be files that somebody has committed.
        """
        for top in (folder, *folder.parents):
            git = top / ".git"
            if git.is_dir():
                return cls._linked(top, git)
            if git.is_file():  # a submodule's or another work tree's: "gitdir: PATH"
                return cls._linked(top, top / _text(git).partition("gitdir:")[2].strip())
        return None

    @classmethod
    def at(cls, folder: Path) -> Repository | None:
        """Return the repository whose work tree or bare folder is ``folder``; None for another."""
        if (folder / ".git").exists():
            return cls.around(folder)
        found = (folder / "HEAD").is_file() and (folder / "objects").is_dir()
        return cls(None, folder, folder) if found else None

    @classmethod
    def _linked(cls, top: Path, own: Path) -> Repository:
        pointer = _text(own / "commondir").strip()
        return cls(top, own, own / pointer if pointer else own)

    def head(self) -> str:
        """Return the newest commit's id; "" before the first.

        Raises:
            GitError: HEAD has an unknown form.
        """
        name = "HEAD"
        for _ in range(_LINKS_MAX):
            text = _text(self.own / name).strip() or _text(self.common / name).strip()
            if _SHA.fullmatch(text):
                return text
            if not text:
                return self._packed(name)
            name = text.partition("ref:")[2].strip()
            if not _REF.fullmatch(name) or ".." in name:
                break
        raise GitError("the repository's HEAD names neither a branch nor a commit")

    def _packed(self, name: str) -> str:
        for line in _text(self.common / "packed-refs", _PACKED_REFS_BYTES_MAX).splitlines():
            sha, _, ref = line.partition(" ")
            if ref == name and _SHA.fullmatch(sha):
                return sha
        return ""


class Git:
    """Git on one repository's objects, index and files; :func:`opened` makes it."""

    def __init__(
        self, program: str, repository: Repository, shadow: Path, settings: Mapping[str, str]
    ) -> None:
        self._command = [program, *_ALWAYS]
        for key, value in settings.items():
            self._command += ["-c", f"{key}={value}"]
        self.repository = repository
        self.shadow = shadow
        self._environment = _environment() | {
            "GIT_ALLOW_PROTOCOL": "",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_DIR": str(shadow),
            "GIT_INDEX_FILE": str(repository.own / "index"),
            "GIT_OBJECT_DIRECTORY": str(repository.common / "objects"),
        }
        if repository.top is not None:
            self._environment["GIT_WORK_TREE"] = str(repository.top)

    def start(self, folder: Path, *question: str) -> subprocess.Popen[bytes]:
        """Start a git command with pipes; the caller must end the process.

        Raises:
            GitError: it can't be started.
        """
        try:
            return subprocess.Popen(  # noqa: S603  no shell, and no option of others
                [*self._command, *question],
                cwd=folder,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:  # the folder is gone, or git is
            raise NoRepositoryError(f"git can't be started: {error.strerror}") from error

    def ask(self, folder: Path, *question: str, timeout_s: float = TIMEOUT_S) -> bytes:
        """Return the output of a git command.

        Raises:
            GitError: it failed, or took longer than ``timeout_s``.
        """
        command = [*self._command, *question]
        return _run(command, question[0], cwd=folder, env=self._environment, timeout_s=timeout_s)


@contextlib.contextmanager
def opened(repository: Repository, *, timeout_s: float = TIMEOUT_S) -> Iterator[Git]:
    """Open git on a repository.

    Raises:
        NoRepositoryError: git isn't installed. GitError: the repository is of an unknown kind.
    """
    program = git_program()
    if program is None:
        raise NoRepositoryError("git is not installed")
    with tempfile.TemporaryDirectory(prefix="fimls-git-") as folder:
        shadow = Path(folder)
        person = {
            **_environment(),
            "GIT_DIR": folder,
            **{key: os.environ[key] for key in _PERSONS if key in os.environ},
        }
        theirs: dict[str, str] = {}
        configuration = repository.common / "config"
        if configuration.is_file():
            # Git's own parser reads it; that runs nothing, and includes no other files.
            theirs = _configuration(
                [program, "config", "--file", str(configuration.absolute()), "--no-includes"],
                cwd=shadow,
                env=_environment() | {"GIT_DIR": folder},
                timeout_s=timeout_s,
            )
        _make(shadow, repository, theirs)
        yours = _configuration([program, "config"], cwd=shadow, env=person, timeout_s=timeout_s)
        settings = _copied(yours) | _copied(theirs)
        if excludes := yours.get("core.excludesfile"):
            settings["core.excludesFile"] = excludes
        yield Git(program, repository, shadow, settings)


def offered(git: Git) -> str:
    """Return the address of a repository of our own that has ``git``'s newest commit, to clone it.

    Raises:
        GitError: there is no commit, or the folder's name can't be passed to git.
    """
    objects = str((git.repository.common / "objects").resolve())
    if "\n" in objects or objects.startswith(('"', "#")):
        raise GitError("the name of the repository's folder can't be passed to git")
    head = git.repository.head()
    if not head:
        raise GitError("the repository has no commit")
    for name, text in (
        ("objects/info/alternates", objects),
        ("refs/heads/main", head),
        ("HEAD", "ref: refs/heads/main"),
    ):
        path = git.shadow / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    return git.shadow.as_uri()


@contextlib.contextmanager
def opened_around(folder: Path, *, timeout_s: float = TIMEOUT_S) -> Iterator[Git]:
    """Open git on the repository that a folder is in.

    Raises:
        NoRepositoryError: there is none, or no git. GitError: it is of an unknown kind.
    """
    try:
        repository = Repository.around(folder.resolve())
    except OSError as error:
        raise NoRepositoryError(f"{folder} can't be read: {error.strerror}") from error
    if repository is None:
        raise NoRepositoryError(f"{folder} is in no repository")
    with opened(repository, timeout_s=timeout_s) as git:
        yield git


def git_program() -> str | None:
    """Return git's path; None if it isn't installed. Relative folders in PATH, in which a
    repository could place a program, are ignored.
    """
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    found = shutil.which("git", path=os.pathsep.join(filter(os.path.isabs, folders)))
    return found if found is not None and Path(found).is_absolute() else None


def clone_command(url: str, folder: Path, *options: str) -> tuple[list[str], dict[str, str]]:
    """Return the command and environment that clone a repository without writing its files.

    Only this command uses the network and the person's configuration, with proxies and passwords.

    Raises:
        NoRepositoryError: git isn't installed.
    """
    program = git_program()
    if program is None:
        raise NoRepositoryError("git is not installed")
    command = [
        *(program, *_ALWAYS),
        *("clone", "--quiet", "--template=", "--no-checkout", "--no-recurse-submodules"),
        *(*options, "--", url, str(folder)),
    ]
    return command, _environment() | {
        "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
        **{key: os.environ[key] for key in _PERSONS if key in os.environ},
    }


_PERSONS = (
    *("GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_SYSTEM"),
    *("GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_SSL_CAINFO", "GIT_SSL_NO_VERIFY"),
)


def _environment() -> dict[str, str]:
    """Return the environment without variables that redirect git; git asks for no passwords."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    return kept | {
        "GIT_ASKPASS": "true",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }


def _configuration(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout_s: float
) -> dict[str, str]:
    """Return the settings: key in lower case -> last value."""
    listed = _run([*command, "--list", "-z"], "config", cwd=cwd, env=env, timeout_s=timeout_s)
    entries = os.fsdecode(listed[:_CONFIG_BYTES_MAX]).split("\0")
    return {key.lower(): value for key, _, value in (one.partition("\n") for one in entries) if key}


def _copied(configuration: Mapping[str, str]) -> dict[str, str]:
    return {
        key: value.lower()
        for key, value in configuration.items()
        if key in _COPIED and _WORD.fullmatch(value.lower())
    }


def _make(shadow: Path, repository: Repository, theirs: Mapping[str, str]) -> None:
    """Write the repository of our own that git reads."""
    for key in theirs:
        section, _, name = key.partition(".")
        if section == "extensions" and name not in _KNOWN_EXTENSIONS:
            raise GitError(f"the repository uses {key}, which fimls doesn't support")
    kind = theirs.get("extensions.objectformat", "sha1").lower()
    if kind not in _OBJECT_FORMATS:
        raise GitError(f"the repository uses {kind} hashes, which fimls doesn't support")
    for folder in ("objects", "refs", "info"):
        (shadow / folder).mkdir()
    config = "[core]\n\trepositoryformatversion = 1\n[extensions]\n\tobjectFormat = "
    (shadow / "config").write_text(config + kind + "\n", encoding="utf-8")
    head = repository.head()
    (shadow / "HEAD").write_text((head or "ref: refs/heads/main") + "\n", encoding="utf-8")
    for name in ("shallow", "info/exclude"):
        source = repository.common / name
        if source.is_file() and source.stat().st_size <= _CONFIG_BYTES_MAX:
            shutil.copyfile(source, shadow / name)


def _run(
    command: Sequence[str], name: str, *, cwd: Path, env: Mapping[str, str], timeout_s: float
) -> bytes:
    try:
        done = subprocess.run(  # noqa: S603  no shell, and no option of others
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=timeout_s,
            check=False,
        )
    except OSError as error:
        raise NoRepositoryError(f"git can't be started: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise GitError(f"git did not answer within {timeout_s:g} seconds") from error
    if done.returncode != 0:
        raise GitError(f"git {name} failed, with the exit code {done.returncode}")
    return done.stdout


def _text(path: Path, limit_bytes: int = _POINTER_BYTES_MAX) -> str:
    """Return a file's text; "" if there is none, if it is larger, or if it isn't text."""
    try:
        if not path.is_file() or path.stat().st_size > limit_bytes:
            return ""
        text = path.read_text("utf-8")
    except (OSError, ValueError):
        return ""
    return "" if "\0" in text else text  # no path and no argument of a program may have one


def added_lines(diff: Iterable[bytes]) -> Iterator[tuple[str, int, int]]:
    """Read a diff's lines; yield the path, the first line and the end of each hunk's added lines.

    Lines count from 0, the end is exclusive. Hunks that only delete are left out, and so are files
    whose paths git puts in quotes.
    """
    path = ""
    for line in diff:
        if not path and (match := _DIFFED_FILE.match(line)):  # an added line may look like it
            path = match[1].decode("utf-8", "replace").rstrip("\t")
        elif path and (match := _HUNK.match(line)):
            start, count = int(match[1]) - 1, int(match[2] or 1)
            if count:
                yield path, start, start + count
        elif line.startswith(b"diff --git"):
            path = ""
