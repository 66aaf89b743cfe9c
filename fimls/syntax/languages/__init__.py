"""The table of languages: one file for each, with its query beside it if it has a grammar.

A file defines ``LANGUAGES``, a tuple of rows: more than one where languages share most of what is
to be said. It is found by being here.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path, PurePath

from fimls.syntax.language import Language

PLAIN_TEXT = "plaintext"
_PROSE = frozenset({"", PLAIN_TEXT, "restructuredtext"})  # they have no row


def _read_table() -> Iterator[Language]:
    files = {path.name for path in Path(__path__[0]).iterdir()}
    modules = (name.removesuffix(".py") for name in sorted(files) if name.endswith(".py"))
    for module in modules:
        if module == "__init__":
            continue
        for row in import_module(f"{__name__}.{module}").LANGUAGES:
            if lacking := fault(row, files):
                raise ValueError(f"{row.id} in fimls/syntax/languages/{module}.py: {lacking}")
            yield row


def fault(row: Language, files: set[str]) -> str | None:
    """Return what a row with a grammar lacks, and what to do about it."""
    if row.grammar is None:
        return None
    if f"{row.grammar.query}.scm" not in files:
        return f"write {row.grammar.query}.scm beside it, its definitions and imports"
    if not row.keywords or not row.builtins:
        return "list its keywords and builtins, or every one of them is looked up in the workspace"
    if not row.block_header or not row.grammar.blocks:
        return "give block_header and the grammar's blocks, or no block is ever completed"
    return None


LANGUAGES: tuple[Language, ...] = tuple(_read_table())

_BY_NAME = {name: row for row in LANGUAGES for name in (row.id, *row.aliases)}
_BY_SUFFIX = {suffix: row.id for row in LANGUAGES for suffix in row.suffixes}
_BY_FILENAME = {name: row.id for row in LANGUAGES for name in row.filenames}


def get_language(language_id: str) -> Language | None:
    """Return a language's row by its languageId or an alias, or None for one not in the table."""
    return _BY_NAME.get(language_id)


def language_of(path: PurePath | str) -> str:
    """Return the languageId of a file by its name, "plaintext" where the table has none."""
    path = PurePath(path)
    by_suffix = _BY_SUFFIX.get(path.suffix.lower(), PLAIN_TEXT)
    return _BY_FILENAME.get(path.name, by_suffix)


def is_prose(language_id: str) -> bool:
    """Whether a file is text for people, in which code is quoted."""
    row = get_language(language_id)
    return language_id in _PROSE if row is None else row.prose
