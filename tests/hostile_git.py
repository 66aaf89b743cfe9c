"""Repositories whose configuration names a program in every way that git knows of."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

MARKER = "ran"
CODE = "def area(width, height):\n    return width * height\n"


def git(folder: Path, *arguments: str) -> str:
    """Run git with nobody's configuration, to build a repository; returns its answer."""
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    allowed = ("-c", "protocol.file.allow=always", "-c", "init.defaultBranch=main")
    environment = {
        **os.environ,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
    }
    done = subprocess.run(
        ["git", *identity, *allowed, *arguments],  # noqa: S607  wherever it is
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    return done.stdout.strip()


def ordinary(folder: Path, *, attributes: str = "") -> Path:
    """A repository with two commits of ``a.py`` and ``pkg/b.py``."""
    (folder / "pkg").mkdir(parents=True)
    git(folder, "init", "-q")
    for name in ("a.py", "pkg/b.py"):
        (folder / name).write_text(CODE)
    if attributes:
        (folder / ".gitattributes").write_text(attributes)
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    (folder / "a.py").write_text(CODE + "\n\ndef half(number):\n    return number / 2\n")
    git(folder, "commit", "-qam", "second")
    return folder


def dirty(folder: Path) -> None:
    """Change a file, so that git has to read it, and make the index doubt all of them."""
    (folder / "a.py").write_text("new = 1\n" + (folder / "a.py").read_text())
    for name in ("a.py", "pkg/b.py"):
        if (folder / name).exists():
            os.utime(folder / name, (1, 1))


@dataclass(frozen=True)
class Trap:
    """A program that leaves ``MARKER``, and the folder of it all."""

    home: Path

    @property
    def program(self) -> str:
        """The program's path."""
        path = self.home / "program"
        if not path.exists():
            path.write_text(f"#!/bin/sh\n: > '{self.home / MARKER}'\nexit 1\n")
            path.chmod(0o755)
        return str(path)

    @property
    def sprung(self) -> bool:
        """Whether the program ran."""
        return (self.home / MARKER).exists()


Build = Callable[[Path, Trap], Path]


def configured(keys: Mapping[str, str], attributes: str = "") -> Build:
    """A repository with keys in its configuration; ``@`` in a value stands for the program."""

    def build(folder: Path, trap: Trap) -> Path:
        ordinary(folder, attributes=attributes)
        dirty(folder)
        _configure(folder, keys, trap)
        return folder

    return build


def _configure(folder: Path, keys: Mapping[str, str], trap: Trap, *where: str) -> None:
    for key, value in keys.items():
        git(folder, "config", *where, key, value.replace("@", trap.program))


def _hooks(folder: Path, trap: Trap) -> Path:
    ordinary(folder)
    for name in (
        *("post-checkout", "post-index-change", "fsmonitor-watchman", "reference-transaction"),
        *("pre-commit", "post-rewrite", "pre-auto-gc", "post-update"),
    ):
        shutil.copy(trap.program, folder / ".git" / "hooks" / name)
    dirty(folder)
    return folder


def _info_attributes(folder: Path, trap: Trap) -> Path:
    ordinary(folder)
    (folder / ".git" / "info" / "attributes").write_text("* filter=x diff=x merge=x\n")
    _configure(folder, {"filter.x.clean": "@", "diff.x.command": "@"}, trap)
    dirty(folder)
    return folder


def _included(how: str) -> Build:
    def build(folder: Path, trap: Trap) -> Path:
        ordinary(folder, attributes="* filter=x\n")
        (trap.home / "included").write_text(
            f'[filter "x"]\n\tclean = {trap.program}\n[core]\n\tfsmonitor = {trap.program}\n'
        )
        git(folder, "config", how.replace("@", f"{folder}/"), str(trap.home / "included"))
        dirty(folder)
        return folder

    return build


def _linked_work_tree(folder: Path, trap: Trap) -> Path:
    ordinary(folder, attributes="* filter=x\n")
    git(folder, "worktree", "add", "-q", str(trap.home / "linked"))
    _configure(folder, {"filter.x.clean": "@", "core.fsmonitor": "@"}, trap)
    dirty(trap.home / "linked")
    return trap.home / "linked"


def _work_tree_configuration(folder: Path, trap: Trap) -> Path:
    ordinary(folder, attributes="* filter=x\n")
    git(folder, "config", "extensions.worktreeConfig", "true")
    _configure(folder, {"filter.x.clean": "@", "core.fsmonitor": "@"}, trap, "--worktree")
    dirty(folder)
    return folder


def _pointing_elsewhere(folder: Path, trap: Trap) -> Path:
    """``.git`` is a file, and the repository that it names lies among the committed files."""
    ordinary(folder, attributes="* filter=x\n")
    (folder / ".git").rename(folder / "looks-harmless")
    (folder / ".git").write_text("gitdir: looks-harmless\n")
    _configure(folder, {"filter.x.clean": "@", "core.fsmonitor": "@"}, trap)
    dirty(folder)
    return folder


def _linked_git(folder: Path, trap: Trap) -> Path:
    ordinary(folder, attributes="* filter=x\n")
    (folder / ".git").rename(trap.home / "real")
    (folder / ".git").symlink_to(trap.home / "real")
    _configure(folder, {"filter.x.clean": "@", "core.fsmonitor": "@"}, trap)
    dirty(folder)
    return folder


def _embedded_bare(folder: Path, trap: Trap) -> Path:
    """A plain clone's folder that git takes for a bare repository with a work tree."""
    ordinary(folder)
    inner = folder / "docs"
    ordinary(inner, attributes="* filter=x\n")
    for part in (inner / ".git").iterdir():
        part.rename(inner / part.name)
    (inner / ".git").rmdir()
    configuration = inner / "config"
    text = configuration.read_text().replace("bare = false", f"bare = false\n\tworktree = {inner}")
    configuration.write_text(
        f'{text}\tfsmonitor = {trap.program}\n[filter "x"]\n\tclean = {trap.program}\n'
    )
    dirty(inner)
    return inner


def _submodule(folder: Path, trap: Trap) -> Path:
    ordinary(trap.home / "part", attributes="* filter=x\n")
    ordinary(folder)
    git(folder, "submodule", "--quiet", "add", str(trap.home / "part"), "part")
    git(folder, "commit", "-qm", "third")
    _configure(folder / "part", {"filter.x.clean": "@", "core.fsmonitor": "@"}, trap)
    _configure(folder, {"submodule.part.update": "!@", "submodule.recurse": "true"}, trap)
    dirty(folder)
    dirty(folder / "part")
    return folder


def _nested(folder: Path, trap: Trap) -> Path:
    """A repository within another's work tree, not registered as a submodule."""
    ordinary(folder)
    ordinary(folder / "nested", attributes="* filter=x\n")
    _configure(folder / "nested", {"filter.x.clean": "@", "core.fsmonitor": "@"}, trap)
    dirty(folder / "nested")
    dirty(folder)
    return folder


def _partial(remote: Mapping[str, str]) -> Build:
    """A clone that lacks its files' contents, and fetches them by a program."""

    def build(folder: Path, trap: Trap) -> Path:
        ordinary(trap.home / "origin")
        git(trap.home / "origin", "config", "uploadpack.allowFilter", "true")
        address = (trap.home / "origin").as_uri()
        git(trap.home, "clone", "-q", "--filter=blob:none", "-n", address, str(folder))
        git(folder, "reset", "-q", "HEAD", "--")
        (folder / "pkg").mkdir()
        for name in ("a.py", "pkg/b.py"):
            (folder / name).write_text("new = 1\n" + CODE)
        _configure(folder, remote, trap)
        return folder

    return build


def _alternates(folder: Path, trap: Trap) -> Path:
    ordinary(trap.home / "store")
    git(trap.home, "clone", "-q", "--shared", str(trap.home / "store"), str(folder))
    _configure(
        folder, {"core.alternateRefsCommand": "@", "core.fsmonitor": "@", "core.pager": "@"}, trap
    )
    dirty(folder)
    return folder


def _alternates_of_a_hostile_one(folder: Path, trap: Trap) -> Path:
    """The other objects' own repository names the programs."""
    ordinary(trap.home / "store")
    git(trap.home, "clone", "-q", "--shared", str(trap.home / "store"), str(folder))
    _configure(
        trap.home / "store",
        {
            "core.fsmonitor": "@",
            "remote.origin.url": "file:///nowhere",
            "remote.origin.promisor": "true",
            "remote.origin.uploadpack": "@",
        },
        trap,
    )
    dirty(folder)
    return folder


def _elsewhere(folder: Path, trap: Trap) -> Path:
    """``core.worktree`` says that the files are another folder's."""
    ordinary(folder)
    (trap.home / "files").mkdir()
    (trap.home / "files" / ".gitattributes").write_text("* filter=x\n")
    (trap.home / "files" / "a.py").write_text("new = 1\n")
    _configure(folder, {"filter.x.clean": "@", "core.worktree": str(trap.home / "files")}, trap)
    return folder


def _program_in_the_folder(folder: Path, trap: Trap) -> Path:
    """A program named git lies where it would be started."""
    ordinary(folder)
    dirty(folder)
    for name in ("git", "git-diff", "git-config"):
        shutil.copy(trap.program, folder / name)
    return folder


PROMISOR = {"remote.origin.promisor": "true", "extensions.partialClone": "origin"}

HOSTILE: Mapping[str, Build] = {
    "filter clean": configured({"filter.x.clean": "@"}, "* filter=x\n"),
    "filter smudge": configured({"filter.x.smudge": "@", "filter.x.required": "1"}, "* filter=x\n"),
    "filter process": configured({"filter.x.process": "@"}, "* filter=x\n"),
    "filter named lfs": configured(
        {"filter.lfs.clean": "@ %f", "filter.lfs.process": "@", "filter.lfs.required": "true"},
        "* filter=lfs\n",
    ),
    "filter in info/attributes": _info_attributes,
    "attributes elsewhere": configured({"core.attributesFile": "pkg/b.py", "filter.x.clean": "@"}),
    "monitor": configured({"core.fsmonitor": "@"}),
    "monitor, version 1": configured({"core.fsmonitor": "@", "core.fsmonitorHookVersion": "1"}),
    "external diff": configured({"diff.external": "@"}),
    "diff command": configured({"diff.x.command": "@"}, "* diff=x\n"),
    "textconv": configured({"diff.x.textconv": "@", "diff.x.cachetextconv": "true"}, "* diff=x\n"),
    "diff tool": configured({"diff.tool": "x", "difftool.x.cmd": "@", "diff.guitool": "x"}),
    "merge driver": configured({"merge.x.driver": "@"}, "* merge=x\n"),
    "merge tool": configured({"merge.tool": "x", "mergetool.x.cmd": "@"}),
    "pager": configured({"core.pager": "@", "pager.diff": "@", "pager.log": "@"}),
    "pager of every command": configured(
        {f"pager.{name}": "@" for name in ("config", "ls-files", "cat-file", "rev-parse")}
    ),
    "editor": configured({"core.editor": "@", "sequence.editor": "@"}),
    "passwords": configured({"core.askPass": "@", "credential.helper": "!@"}),
    "transport": configured({"core.sshCommand": "@", "core.gitProxy": "@"}),
    "signatures": configured(
        {"gpg.program": "@", "gpg.ssh.program": "@", "log.showSignature": "true"}
    ),
    "shown diffs": configured({"interactive.diffFilter": "@", "diff.orderFile": "pkg/b.py"}),
    "notes": configured({"notes.displayRef": "*", "trailer.x.command": "@", "trailer.x.cmd": "@"}),
    "aliases": configured(
        {f"alias.{name}": "!@" for name in ("diff", "log", "ls-files", "config", "cat-file")}
    ),
    "packing": configured({"uploadpack.packObjectsHook": "@", "gc.auto": "1"}),
    "receiving": configured({"receive.procReceiveRefs": "refs", "core.alternateRefsCommand": "@"}),
    "tracing": configured({"trace2.eventTarget": "@", "trace2.normalTarget": "@"}),
    "browsers": configured({"web.browser": "x", "browser.x.cmd": "@", "man.x.cmd": "@"}),
    "hooks": _hooks,
    "hooks elsewhere": configured({"core.hooksPath": ".", "core.fsmonitor": "true"}),
    "included": _included("include.path"),
    "included for this folder": _included("includeIf.gitdir:@.path"),
    "included for this branch": _included("includeIf.onbranch:main.path"),
    "linked work tree": _linked_work_tree,
    "work tree's configuration": _work_tree_configuration,
    ".git that points elsewhere": _pointing_elsewhere,
    ".git that is a link": _linked_git,
    "embedded bare repository": _embedded_bare,
    "submodule": _submodule,
    "nested repository": _nested,
    "partial clone, uploadpack": _partial({**PROMISOR, "remote.origin.uploadpack": "@"}),
    "partial clone, ext": _partial(
        {**PROMISOR, "remote.origin.url": "ext::@", "protocol.ext.allow": "always"}
    ),
    "partial clone, ssh": _partial(
        {**PROMISOR, "remote.origin.url": "ssh://host/x", "core.sshCommand": "@"}
    ),
    "partial clone, helper": _partial({**PROMISOR, "remote.origin.vcs": "x"}),
    "alternates": _alternates,
    "alternates of a hostile repository": _alternates_of_a_hostile_one,
    "files elsewhere": _elsewhere,
    "a program named git": _program_in_the_folder,
}

SPRUNG_BY_A_PLAIN_GIT = (
    *("filter clean", "filter process", "filter named lfs", "filter in info/attributes"),
    *("monitor", "external diff", "diff command", "textconv", "included", "linked work tree"),
    *(".git that points elsewhere", "embedded bare repository", "submodule"),
    *("partial clone, uploadpack", "partial clone, ext", "partial clone, ssh"),
)
"""Of these ``git diff HEAD`` runs the program, so that what is tested is a trap at all."""
