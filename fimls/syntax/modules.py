"""Modules that a file imports, and where they lead in a workspace.

What doesn't resolve belongs to the language or a library: no retrieval for it. A language's rule
needs nothing but the importing file's path and a way to ask which files exist.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from posixpath import dirname, normpath
from typing import Protocol

PACKAGE_FILES_MAX = 40
"""How many files of a folder an import leads to, where it names the folder."""


@dataclass(frozen=True, slots=True)
class Import:
    """One module that a file uses."""

    module: str
    """As written, without quotes: "a.b", ".models", "./util", "fmt", "crate::x", "foo.h". A Java
    class is a module: "java.util.List". Rust's ``mod x;`` is "self::x"."""
    names: tuple[tuple[str, str], ...]
    """Pairs of an imported name and what the file calls it; ("*", "*") for all, as C's includes do;
    ("default", local) for a default export; () where only the module itself is imported."""
    alias: str
    """How the file writes the module itself ("np", "a.b", "fmt"), "" where it doesn't."""


class Lister(Protocol):
    """What resolving needs to know of a workspace (:class:`fimls.context.files.Files` does)."""

    def exists(self, path: str) -> bool:
        """Whether there is a file with this relative path."""

    def has_folder(self, path: str) -> bool:
        """Whether there is a folder with this relative path."""

    def within(self, directory: str, suffixes: tuple[str, ...]) -> list[str]:
        """The files of a directory whose names end so."""

    def text(self, path: str) -> str | None:
        """A file's text."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where an import leads."""

    paths: tuple[str, ...]
    """Files that may define what is imported."""
    names: tuple[tuple[str, str], ...] = ()
    """(name there, name here), ("*", "*") for all of them."""
    namespace: str = ""
    """What the module itself is called here, "" if it can't be named."""


Resolve = Callable[[Import, str, Lister], Iterator[Target]]
"""A language's rule: an import, the path of the file that has it, and the workspace."""


def ancestors(path: str) -> Iterator[str]:
    """The file's folder, its parent, and so on up to the workspace's own, "" ."""
    folder = dirname(path)
    while folder:
        yield folder
        folder = dirname(folder)
    yield ""


def first_file(candidates: list[str], files: Lister) -> str | None:
    """The first of some paths where there is a file."""
    return next((normpath(one) for one in candidates if files.exists(one)), None)
