"""Definitions of names near the cursor that neither the file nor its imports explain.

In some languages, such as Go, Java, C and C++, many names need no import, or one that names no
file. In every language the type of a method's receiver may be unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from posixpath import dirname

from fimls.context.describe import describe, describe_method
from fimls.context.query import Candidate
from fimls.context.sources.base import Lookup, Reader
from fimls.context.surroundings import Surroundings
from fimls.syntax import get_language, known_words, language_of

_NEAR = 0.7
_LENGTH_MIN = 3
_NAMES_MAX = 40
_SAME_PACKAGE = 0.85  # in languages where a folder is a package and needs no import
# By the number of files that define the name: with more, another definition is likely meant.
_AMBIGUITY = {1: 0.75, 2: 0.5}


def named(around: Surroundings, files: Reader, index: Lookup) -> Iterator[Candidate]:
    """Describe the definitions that the index has for names near the cursor."""
    query = around.query
    known = set(known_words(query.language_id))
    known.update(definition.name for definition in around.outline.definitions)
    known.update(alias for found in around.outline.imports for _, alias in found.names)
    names = [
        name
        for name, near in sorted(around.nearness.items(), key=lambda item: (-item[1], item[0]))
        if near >= _NEAR and len(name) >= _LENGTH_MIN and name not in known
        if _may_be_elsewhere(name, around)
    ]
    for name, paths in index.defining_files(names[:_NAMES_MAX]).items():
        yield from _described(
            name,
            [path for path in paths if path != query.path and _related(path, query.language_id)],
            around,
            files,
        )


def _described(
    name: str, paths: list[str], around: Surroundings, files: Reader
) -> Iterator[Candidate]:
    query = around.query
    package = [path for path in paths if dirname(path) == dirname(query.path)]
    if _is_packaged(query.language_id) and package:
        paths, trust = package[:2], _SAME_PACKAGE
    else:
        trust = _AMBIGUITY.get(len(paths), 0.0)
    for path in paths if trust else ():
        file = files.read(path)
        for definition in file.outline.definitions if file else ():
            if file is None or definition.name != name:
                continue
            score = around.near(name) * trust
            if definition.kind == "method":
                if name in around.members:
                    yield describe_method(file, definition, score)
            elif definition.kind != "function" or not definition.container:
                yield describe(file, definition, score, around)


def _may_be_elsewhere(name: str, around: Surroundings) -> bool:
    """Whether a name can come from another file without an import that says so."""
    if name in around.members:
        return True
    if not _is_packaged(around.query.language_id):
        return False
    return name[0].isupper() or around.calls(name)


def _is_packaged(language_id: str) -> bool:
    """Whether a folder is a package: its files see each other's definitions."""
    language = get_language(language_id)
    return language is not None and language.folder_is_package


def _related(path: str, language_id: str) -> bool:
    """Whether code of one language can use the definitions of a file."""
    other = language_of(path)
    if other == language_id:
        return True
    rows = get_language(other), get_language(language_id)
    related = {row.related if row else "" for row in rows}
    return len(related) == 1 and related != {""}
