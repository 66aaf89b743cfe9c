"""A folder of code: which of its files are used, their texts, and a copy that may be changed."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fimls.git import GitError, opened_around
from fimls.syntax import get_language, language_of
from fimls.types import DocumentError

MAX_SOURCE_BYTES = 400_000
"""Larger files are copied, but neither typed nor searched for names."""

_MAX_COPIED_BYTES = 2_000_000
_MAX_SOURCES = 5_000
_SKIPPED_FOLDERS = frozenset(
    "__pycache__ build dist env node_modules site-packages target "  # noqa: SIM905 - shorter
    "third_party vendor vendored venv".split()
)
_KEPT_HIDDEN = frozenset({".fimls.toml", ".fimlsignore", ".gitignore"})
_GIT_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Repository:
    """A folder as it was when it was read."""

    folder: Path
    name: str
    """The folder's."""
    files: tuple[str, ...]
    """The relative paths of all files that are copied, sorted."""
    sources: Mapping[str, str]
    """The texts of the files in a language with a grammar, by path."""


def read_repository(folder: Path, languages: Iterable[str] = (), *, seed: int = 0) -> Repository:
    """Read a folder: under git, the files that git doesn't ignore.

    languages: those (languageIds) of the sources; without any, every language with a grammar. Of a
    folder with more than 5,000 sources, a seeded sample is taken.

    Raises:
        DocumentError: there is no such folder.
    """
    if not folder.is_dir():
        raise DocumentError(f"{folder} is not a folder", hint="give the root of a repository")
    folder = folder.resolve()
    files = tuple(sorted(_files(folder)))
    wanted = frozenset(languages)
    paths = [path for path in files if _is_source(path, wanted)]
    if len(paths) > _MAX_SOURCES:
        paths = sorted(random.Random(seed).sample(paths, _MAX_SOURCES))  # noqa: S311 - a sample
    texts = ((path, _text(folder / path)) for path in paths)
    return Repository(
        folder, folder.name, files, {path: text for path, text in texts if text is not None}
    )


def copy_with_holes(
    repository: Repository, target: Path, holes: Mapping[str, Iterable[tuple[int, int]]]
) -> None:
    """Copy the files to a folder, without the parts that are yet to be typed.

    holes: by path, spans in code points that don't overlap. A function that is yet to be typed is
    on no disk, and no index may know it. The copy has no ``.git`` for the same reason: git's diff
    would show the removed text.
    """
    for path in repository.files:
        destination = target / path
        destination.parent.mkdir(parents=True, exist_ok=True)
        if path not in holes:
            shutil.copyfile(repository.folder / path, destination)
            continue
        text = repository.sources[path]
        for start, end in sorted(holes[path], reverse=True):
            text = text[:start] + text[end:]
        destination.write_bytes(text.encode())


def _files(folder: Path) -> Iterator[str]:
    listed = _git_files(folder)
    for path in _walk(folder) if listed is None else listed:
        absolute = folder / path
        try:
            kept = not absolute.is_symlink() and absolute.is_file()
            if kept and absolute.stat().st_size <= _MAX_COPIED_BYTES:
                yield path
        except OSError:  # deleted meanwhile, or not ours to read: as if it weren't there
            continue


def _git_files(folder: Path) -> list[str] | None:
    """Return the relative paths git would add, or None where the folder isn't under git."""
    if not (folder / ".git").exists():
        return None
    try:
        with opened_around(folder, timeout_s=_GIT_TIMEOUT_S) as git:
            question = ("ls-files", "-z", "-c", "-o", "--exclude-standard")
            listed = git.ask(folder, *question, timeout_s=_GIT_TIMEOUT_S)
    except GitError:
        return None
    return [name for name in os.fsdecode(listed).split("\0") if name and _is_kept(name)]


def _walk(folder: Path) -> Iterator[str]:
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if _is_kept(name))
        for name in names:
            if _is_kept(name):
                yield (Path(root) / name).relative_to(folder).as_posix()


def _is_kept(path: str) -> bool:
    *folders, name = PurePosixPath(path).parts
    hidden = any(part.startswith(".") for part in folders)
    return (
        not hidden
        and (not name.startswith(".") or name in _KEPT_HIDDEN)
        and _SKIPPED_FOLDERS.isdisjoint((*folders, name))
    )


def _is_source(path: str, wanted: frozenset[str]) -> bool:
    language_id = language_of(path)
    language = get_language(language_id)
    return language is not None and bool(language.grammar) and (not wanted or language_id in wanted)


def _text(path: Path) -> str | None:
    """Return a file's text; None if it can't be typed as it is."""
    try:
        if path.stat().st_size > MAX_SOURCE_BYTES:
            return None
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return None if "\r" in text or text.startswith("\N{ZERO WIDTH NO-BREAK SPACE}") else text
