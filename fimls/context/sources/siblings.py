"""The other half of a pair: a test's source, a source's test, a header's implementation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from posixpath import basename, dirname, join, normpath, splitext

from fimls.context.describe import describe, describe_method
from fimls.context.files import SourceFile
from fimls.context.query import Candidate
from fimls.context.sources.base import Reader, cut
from fimls.context.surroundings import Surroundings, subwords
from fimls.syntax import LANGUAGES
from fimls.syntax.definitions import Definition

_TEST_NAME = re.compile(
    r"^(?:test_(?P<a>.+)|(?P<b>.+?)(?:_test|_spec|\.test|\.spec|-test|-spec|Tests?|IT))$"
)
_TEST_FOLDERS = ("tests", "test", "__tests__", "spec")
# suffix -> the suffixes of its counterparts, as C's headers have sources
_COUNTERPARTS = {
    suffix: tuple(other for group in language.counterparts if group != own for other in group)
    for language in LANGUAGES
    for own in language.counterparts
    for suffix in own
}
_DECLARED = 0.8
_TESTED = 0.75
_TEST = 0.45
_LIKENESS_MIN = 0.6


def siblings(around: Surroundings, files: Reader) -> Iterator[Candidate]:
    """Describe what the file's counterpart has about the code at the cursor."""
    path = around.query.path
    stem, suffix = splitext(basename(path))
    for other in _COUNTERPARTS.get(suffix, ()):
        if file := files.read(_beside(path, stem + other, files)):
            yield from _named(file, around, _DECLARED)
    if match := _TEST_NAME.match(stem):
        name = (match["a"] or match["b"]) + suffix
        for candidate in _source_paths(path, name):
            if file := files.read(candidate):
                yield from _tested(file, around)
                return
    elif around.function is not None:
        for candidate in _test_paths(path, stem, suffix):
            if file := files.read(candidate):
                yield from _test_of(file, around.function)
                return


def _beside(path: str, name: str, files: Reader) -> str:
    """Return where a C file's counterpart is: beside it, or in src/ for one in include/."""
    folder = dirname(path)
    places = [folder, folder.replace("src", "include", 1), folder.replace("include", "src", 1)]
    places += [join(dirname(folder), "include"), join(dirname(folder), "src")]
    found = (join(place, name) for place in places if files.exists(join(place, name)))
    return next(found, join(folder, name))


def _named(file: SourceFile, around: Surroundings, score: float) -> Iterator[Candidate]:
    for definition in file.outline.definitions:
        near = around.near(definition.name)
        if near and not definition.container:
            yield describe(file, definition, near * score, around)


def _tested(file: SourceFile, around: Surroundings) -> Iterator[Candidate]:
    """Describe what the test at the cursor tests: names near it, or names like the test's."""
    test = subwords(around.function.name) if around.function else frozenset()
    for definition in file.outline.definitions:
        own = subwords(definition.name)
        alike = len(own & test) / len(own) if own else 0.0
        near = max(around.near(definition.name), alike if alike >= _LIKENESS_MIN else 0.0)
        if not near:
            continue
        if definition.kind == "method":
            yield describe_method(file, definition, near * _TESTED)
        elif definition.kind != "function" or not definition.container:
            yield describe(file, definition, near * _TESTED, around)


def _test_of(file: SourceFile, function: Definition) -> Iterator[Candidate]:
    """Yield the lines of a test that calls the function at the cursor."""
    calls = re.compile(rf"\b{re.escape(function.name)}\s*\(")
    for definition in file.outline.definitions:
        if definition.kind not in {"function", "method"}:
            continue
        if calls.search(file.text, definition.body, definition.end):
            yield cut(file, definition.start, definition.end, _TEST)
            return


def _source_paths(path: str, name: str) -> Iterator[str]:
    """Yield where the source of a test may be."""
    folder = dirname(path)
    yield join(folder, name)
    yield join(dirname(folder), name)
    for test in _TEST_FOLDERS:
        for prefix in ("src/", "lib/", ""):
            replaced = re.sub(rf"(^|/){test}(/|$)", rf"\g<1>{prefix}", folder, count=1)
            if replaced != folder:
                yield normpath(join(replaced, name))
    yield join(folder.replace("src/test/", "src/main/"), name)


def _test_paths(path: str, stem: str, suffix: str) -> Iterator[str]:
    """Yield where the test of a source may be."""
    folder = dirname(path)
    names = [f"test_{stem}{suffix}", f"{stem}_test{suffix}", f"{stem}.test{suffix}"]
    names += [f"{stem}.spec{suffix}", f"{stem}Test{suffix}"]
    inner = folder.split("/", 1)[1] if "/" in folder else ""
    places = [folder, *(join(folder, test) for test in _TEST_FOLDERS)]
    places += [join(test, below) for test in _TEST_FOLDERS for below in (inner, folder, "")]
    places.append(folder.replace("src/main/", "src/test/"))
    for place in dict.fromkeys(places):
        for name in names:
            yield normpath(join(place, name))
