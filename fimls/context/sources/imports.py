"""Signatures and class skeletons of definitions that the file imports from the workspace."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fimls.context.describe import Wanted, describe, returned_names
from fimls.context.files import SourceFile
from fimls.context.query import Candidate
from fimls.context.sources.base import Reader
from fimls.context.surroundings import Surroundings
from fimls.syntax.definitions import Definition
from fimls.syntax.imports import targets
from fimls.syntax.modules import Target

_UNUSED = 1.0  # names that aren't used yet come next ten times as often as the rest
_NEAR_MAX = 0.95
_LIKENESS = 0.35
_MODULE_MEMBERS_MAX = 12
_NAMED, _MEMBER, _MEMBER_ALIKE = 1.0, 0.55, 0.4
_NEXT_MEMBER = 0.97
_RETURNED = 0.9  # of the score of the function that returns it
_REEXPORTS_MAX = 4


Found = tuple[SourceFile, Definition]
"""A definition and its file."""


def imported(around: Surroundings, files: Reader) -> Iterator[Candidate]:
    """Describe the definitions that the file imports; names near the cursor score best."""
    query = around.query
    for found in around.outline.imports:
        for target in targets(found, query.path, query.language_id, files):
            for name, alias in _names(target, around, files):
                score = _score(alias, around)
                for path in target.paths:
                    place = find(name, path, files)
                    if place is not None and place[0].path != query.path:
                        yield from _described(*place, score, alias, around, files)
                        break
            if target.namespace:
                yield from _module_members(target, around, files)


def find(name: str, path: str, files: Reader, hops: int = _REEXPORTS_MAX) -> Found | None:
    """Find where a file defines a top-level name, or where it imports it from."""
    file = files.read(path)
    if file is None:
        return None
    # The last one: overloads and forward declarations come before it.
    for definition in reversed(file.outline.definitions):
        if definition.name == name and not definition.container:
            return file, definition
    return _reexported(name, file, files, hops - 1) if hops else None


def _reexported(name: str, file: SourceFile, files: Reader, hops: int) -> Found | None:
    """Find what a file's own imports bind to a name."""
    for found in file.outline.imports:
        if not any(alias in {name, "*"} for _, alias in found.names):
            continue
        for target in targets(found, file.path, file.language_id, files):
            originals = [there for there, here in target.names if here in {name, "*"}]
            for original in originals:
                wanted = name if original == "*" else original
                for path in target.paths:
                    if path != file.path and (place := find(wanted, path, files, hops)):
                        return place
    return None


def _names(target: Target, around: Surroundings, files: Reader) -> Iterator[tuple[str, str]]:
    """Yield what is wanted of a target: (name there, name here)."""
    for name, alias in target.names:
        if name != "*":
            yield name, alias
            continue
        for path in target.paths:
            file = files.read(path)
            for definition in file.outline.definitions if file else ():
                if not definition.container and around.near(definition.name):
                    yield definition.name, definition.name


def _module_members(target: Target, around: Surroundings, files: Reader) -> Iterator[Candidate]:
    """Describe members of a module that is imported as a whole, the likeliest first."""
    near = _score(target.namespace.rpartition(".")[2], around)
    used = rf"\b{re.escape(target.namespace)}\s*(?:\.|::|->)\s*(\w+)"
    named = set(re.findall(used, around.query.shown_text))
    found = []
    for path in target.paths:
        file = files.read(path)
        for definition in file.outline.definitions if file else ():
            if definition.container or definition.name.startswith("_"):
                continue
            share = _NAMED if definition.name in named else around.likeness(definition.name)
            found.append(
                (near * (_MEMBER + _MEMBER_ALIKE * share), definition.start, file, definition)
            )
    found.sort(key=lambda one: (-one[0], one[1]))
    for rank, (score, _, file, definition) in enumerate(found[:_MODULE_MEMBERS_MAX]):
        if file is not None:
            yield describe(file, definition, score * _NEXT_MEMBER**rank, around)


def _score(alias: str, around: Surroundings) -> float:
    if alias in around.unused:
        return _UNUSED
    return min(_NEAR_MAX, around.near(alias) + _LIKENESS * around.likeness(alias))


def _described(
    file: SourceFile,
    definition: Definition,
    score: float,
    alias: str,
    around: Surroundings,
    files: Reader,
) -> Iterator[Candidate]:
    yield describe(file, definition, score, around)
    used = alias in around.receivers
    for name in sorted(returned_names(file, definition, around)) if used else ():
        place = find(name, file.path, files)
        if place is not None and place[1] != definition and place[0].path != around.query.path:
            yield describe(*place, score * _RETURNED, around, Wanted.MEMBERS)
