"""Parts of the file itself outside the window: imports, and definitions needed at the cursor."""

from __future__ import annotations

from collections.abc import Iterator

from fimls.context.describe import describe, describe_method
from fimls.context.files import SourceFile
from fimls.context.query import Candidate, Part
from fimls.context.surroundings import Line, Surroundings
from fimls.syntax.words import identifiers

_NEAR = 0.7
_TRUST = 0.95
_OWNER = 0.8
_LIKENESS_MIN, _LIKENESS = 0.5, 0.65
_UNUSED, _USED = 0.95, 0.25  # imports
_STATEMENT_CHARS_MAX = 100


def outside_window(around: Surroundings) -> Iterator[Candidate]:
    """Describe parts of the file that the prompt doesn't show."""
    yield from _imports(around)
    begin, end = around.query.shown_range
    file = SourceFile(around.query.path, around.text, around.query.language_id, around.outline)
    owner = around.owner
    for definition in around.outline.definitions:
        if definition == owner:
            yield describe(file, definition, _OWNER, around)
        if begin <= definition.start < end or definition in {owner, around.function}:
            continue
        near = around.near(definition.name) * _TRUST
        if not definition.container:
            # Lower-case constants are loggers, or variables of a script.
            typed = definition.kind != "constant" or not definition.name.islower()
            likeness = around.likeness(definition.name) if typed else 0.0
            if likeness >= _LIKENESS_MIN:
                near = max(near, likeness * _LIKENESS)
            if near:
                yield describe(file, definition, near, around)
        elif (
            definition.kind == "method"
            and near >= _NEAR
            and definition.name in around.members
            and (owner is None or definition.container != owner.name)
        ):
            yield describe_method(file, definition, near)


def _imports(around: Surroundings) -> Iterator[Candidate]:
    """Yield the import statements, with the names that may be needed: they cost few tokens."""
    begin, end = around.query.shown_range
    statements = dict(
        _statement(line, around) for line in around.imports if not begin <= line.start < end
    )
    parts = tuple(Part(text, score) for text, score in statements.items())
    if parts:
        score = max(part.score for part in parts)
        yield Candidate(around.query.path, around.imports[0].start, score, parts, "import")


def _statement(line: Line, around: Surroundings) -> tuple[str, float]:
    """Return an import statement without unlikely names, and its score."""
    text = " ".join(line.content.split())
    head, found, names = text.partition(" import ")
    if found and head.startswith("from "):
        scores = {name: _name_score(name, around) for name in identifiers(names)}
        wanted = [name for name, score in scores.items() if score > _USED]
        return f"{head} import {', '.join(wanted)}", max(scores.values(), default=0.0)
    if len(text) > _STATEMENT_CHARS_MAX:
        return text, 0.0
    return text, max((_name_score(name, around) for name in identifiers(text)), default=0.0)


def _name_score(name: str, around: Surroundings) -> float:
    if name in around.unused:
        return _UNUSED
    return _USED + _LIKENESS * around.likeness(name)
