"""Candidates from definitions: a function's signature, a class's skeleton line by line."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from fimls.context.files import SourceFile, remembered
from fimls.context.query import REQUIRED, SCORE_MIN, Candidate, Part
from fimls.context.surroundings import NEAR, Surroundings
from fimls.syntax import get_language
from fimls.syntax.definitions import Definition
from fimls.syntax.outline import skeleton
from fimls.syntax.words import identifiers, known_words

# How much a line of a class is worth, as a share of the class's score
_CONSTRUCTOR, _NOT_CONSTRUCTED = 0.95, 0.5
_NAMED, _NAMED_FAR = 1.0, 0.75  # used as a member near the cursor, or elsewhere in the window
_FIELD, _ATTRIBUTE, _UNWANTED_FIELD = 0.8, 0.45, 0.4  # declared, or set in the constructor
_MEMBER, _MEMBER_ALIKE = 0.6, 0.35  # a method, and how much all of its sub-words add
_UNWANTED_MEMBER = 0.25  # of a class whose instances aren't used near the cursor
_HIDDEN = 0.2  # private or special
_NEXT_MEMBER = 0.97

_NO_FIELDS = frozenset({"__slots__", "__match_args__", "model_config"})
_LINE_CHARS_MAX = 120
_FIELD_LINES_MAX = 4
_CLOSER = re.compile(r"\s*[}\])]")
_HEADER_ENDS = ("...", "... }", "... end", ";", ")")
_SPACE = re.compile(r"\s+")
_REPEATED = re.compile(r"@(?:typing\.)?overload\b|@\w+\.(?:setter|deleter)\b")
_NOTHING = re.compile(r"=\s*None$")
_PROPERTY = re.compile(r"@(?:functools\.)?(?:cached_)?property\b")
_SIGNATURE_CHARS_MAX, _PARAMETER_CHARS_MAX = 160, 24


class Wanted(enum.Enum):
    """What is wanted of a class."""

    BY_USE = enum.auto()
    """What the surroundings suggest."""
    MEMBERS = enum.auto()
    """Its members: the code at the cursor has an instance."""


def describe(
    file: SourceFile,
    definition: Definition,
    score: float,
    around: Surroundings,
    wanted: Wanted = Wanted.BY_USE,
) -> Candidate:
    """Describe a definition that the prompt's window doesn't show."""
    if score < SCORE_MIN:  # it won't be used, only listed
        return Candidate(file.path, definition.start, score, (), definition.name)
    if definition.kind in {"class", "type"} and definition.body < definition.end:
        parts = _ranked(list(_class_parts(file, definition, score, around, wanted)))
    elif definition.kind in {"function", "method"}:
        parts = (Part(_signature(file, definition)),)
    else:
        parts = (Part(_joined(skeleton(file.text, file.outline, definition).split("\n"))),)
        value = parts[0].text
        if len(value) > _LINE_CHARS_MAX or value.endswith(" ...") or _NOTHING.search(value):
            score = 0.0  # a table or list, whose first line says nothing, or no value yet
    return Candidate(file.path, definition.start, score, parts, definition.name)


def describe_method(file: SourceFile, definition: Definition, score: float) -> Candidate:
    """Describe one method, under the head of its class if it is defined in there."""
    text = _signature(file, definition)
    for owner in file.outline.definitions:
        if owner.name == definition.container and owner.start <= definition.start < owner.end:
            lines = _skeleton_lines(file, owner)
            head = [Part(line) for line in lines[: _head_lines(file, owner)]]
            method = Part(_indented(text, file, definition))
            parts = (*head, method)
            return Candidate(file.path, owner.start, score, parts, definition.name)
    parts = (Part(text),)
    return Candidate(file.path, definition.start, score, parts, definition.name)


@remembered
def methods_of(file: SourceFile, owner: Definition) -> tuple[Definition, ...]:
    """Return the methods of a class in its whole file, without overloads and setters."""
    return tuple(
        definition
        for definition in file.outline.definitions
        if definition.container == owner.name
        and definition.kind == "method"
        and not _REPEATED.search(file.text, definition.start, definition.header)
    )


def returned_names(file: SourceFile, definition: Definition, around: Surroundings) -> set[str]:
    """Return the names in the return types of a function, or of the methods used of a class."""
    functions = [definition]
    if definition.kind in {"class", "type"}:
        functions = [one for one in methods_of(file, definition) if one.name in around.receivers]
    names: set[str] = set()
    for function in functions:
        before, found, after = file.text[function.header : function.body].rpartition(")")
        if found:
            # Most languages write the type after the parameters, C and Java before the name.
            names.update(identifiers(after))
            names.update(identifiers(before[: max(before.find(function.name), 0)]))
    return names - known_words(file.language_id)


def _indented(text: str, file: SourceFile, definition: Definition) -> str:
    """Return a member's text, indented as in its class."""
    line = file.text.rfind("\n", 0, definition.start) + 1
    before = file.text[line : definition.start]
    indent = before[: len(before) - len(before.lstrip())]
    decorators = file.text[definition.start : definition.header]
    if match := _PROPERTY.match(decorators):  # it is read, not called
        text = f"{match[0]}\n{text}"
    return "\n".join(indent + one for one in text.split("\n"))


def _class_parts(
    file: SourceFile,
    definition: Definition,
    score: float,
    around: Surroundings,
    wanted: Wanted,
) -> Iterator[Part]:
    """Yield the skeleton's lines: the head is required, each member has a score of its own."""
    methods = methods_of(file, definition)
    own = file.path == around.query.path and definition == around.owner
    used = (
        own
        or wanted is Wanted.MEMBERS
        or definition.name in around.receivers
        or _is_base(definition, around)
    )
    # If only annotations name a class, its instances come from elsewhere.
    constructed = not around.counts[definition.name] or around.calls(definition.name)
    lines = _skeleton_lines(file, definition)
    head = _head_lines(file, definition)
    end = _end_line(lines, head, file)
    yield from (Part(line) for line in lines[:head])
    fields = _declared_fields(file, definition)
    declared = _FIELD if used else _UNWANTED_FIELD
    yield from (
        Part(field, score * _field_share(field, file, around, declared)) for field in fields
    )
    for attribute in _constructor_attributes(file, definition):
        if attribute not in fields:
            yield Part(attribute, score * _field_share(attribute, file, around, _ATTRIBUTE))
    begin, stop = around.query.shown_range
    outside = []
    for method in methods:
        if own and begin <= method.start < stop:
            continue
        share = _method_share(method, file, around, used=used, own=own, constructed=constructed)
        part = Part(_indented(_signature(file, method), file, method), score * share)
        if definition.start <= method.start < definition.end:
            yield part
        else:  # Go's methods, Rust's impl
            outside.append(part)
    yield from (Part(line) for line in lines[end : end + 1])
    yield from outside


@remembered
def _skeleton_lines(file: SourceFile, definition: Definition) -> tuple[str, ...]:
    return tuple(skeleton(file.text, file.outline, definition).split("\n"))


def _end_line(lines: Sequence[str], head: int, file: SourceFile) -> int:
    """Return which line of a class's skeleton closes it; the number of lines if none does."""
    language = get_language(file.language_id)
    words = language.block_ends if language else ()
    closing = (
        at for at in range(head, len(lines)) if re.match(r"[}\])]", lines[at]) or lines[at] in words
    )
    return next(closing, len(lines))


@remembered
def _declared_fields(file: SourceFile, definition: Definition) -> tuple[str, ...]:
    """Return the fields in a class's skeleton, between its head and its end."""
    lines = _skeleton_lines(file, definition)
    head = _head_lines(file, definition)
    return tuple(_fields(lines[head : _end_line(lines, head, file)], file, definition))


@remembered
def _constructor_attributes(file: SourceFile, definition: Definition) -> tuple[str, ...]:
    language = get_language(file.language_id)
    if language is None or language.attributes is None:
        return ()
    return tuple(
        attribute
        for method in methods_of(file, definition)
        if method.name in language.constructors
        for attribute in language.attributes(file.text, method.header, method.body, method.end)
    )


def _ranked(parts: list[Part]) -> tuple[Part, ...]:
    """Lower the score of each further member of a class a little, the best first."""
    optional = [at for at, part in enumerate(parts) if part.score != REQUIRED]
    optional.sort(key=lambda at: (-parts[at].score, at))
    for rank, at in enumerate(optional):
        parts[at] = replace(parts[at], score=parts[at].score * _NEXT_MEMBER**rank)
    return tuple(parts)


def _fields(lines: Sequence[str], file: SourceFile, owner: Definition) -> Iterator[str]:
    """Yield the fields in a class's skeleton: all that aren't methods, broken lines joined."""
    heads = tuple(
        head
        for one in file.outline.definitions
        if one.container == owner.name
        if (head := _squeezed(file.text[one.header : one.body].partition("(")[0]))
    )
    # In a file without its middle, the parser may take the rest of a method for fields.
    language = get_language(file.language_id)
    is_field = re.compile(language.field_line).match if language else str.strip
    depth = min((len(line) - len(line.lstrip()) for line in lines), default=0)
    field: list[str] = []
    in_method = in_docstring = False
    for line in lines:
        quotes = line.count('"""')
        if in_docstring or (quotes and line.lstrip().startswith('"""')):
            in_docstring = in_docstring != (quotes == 1)
        elif in_method:  # its header is broken over several lines
            in_method = not line.rstrip().endswith(_HEADER_ENDS)
        elif len(line) - len(line.lstrip()) > depth or _CLOSER.match(line):
            if field:
                field.append(line)
        else:
            if 0 < len(field) <= _FIELD_LINES_MAX:
                yield "\n".join(field)
            is_method = _squeezed(line).startswith(heads)
            in_method = is_method and line.rstrip().endswith(("(", ","))
            field = [line] if not is_method and is_field(line) else []
    if 0 < len(field) <= _FIELD_LINES_MAX:
        yield "\n".join(field)


def _squeezed(text: str) -> str:
    return _SPACE.sub("", text)


def _head_lines(file: SourceFile, definition: Definition) -> int:
    """Return how many lines of a class's skeleton are its head."""
    return file.text[definition.header : definition.body].rstrip().count("\n") + 1


def _is_base(definition: Definition, around: Surroundings) -> bool:
    """Whether the head of the class around the cursor names this one."""
    owner = around.owner
    return owner is not None and definition.name in identifiers(
        around.text[owner.header : owner.body]
    )


def _method_share(
    method: Definition,
    file: SourceFile,
    around: Surroundings,
    *,
    used: bool,
    own: bool,
    constructed: bool,
) -> float:
    name = method.name
    if around.function is not None and around.function.name == name and used:
        return _NAMED  # the method that the one at the cursor overrides, or wraps
    language = get_language(file.language_id)
    if language and name in language.constructors:
        return _CONSTRUCTOR if constructed else _NOT_CONSTRUCTED
    if name in around.members:
        return _named(name, around)
    if name.startswith("__") or (name.startswith("_") and not own):
        return _HIDDEN
    return (_MEMBER if used else _UNWANTED_MEMBER) + _MEMBER_ALIKE * around.likeness(name)


def _field_share(field: str, file: SourceFile, around: Surroundings, share: float) -> float:
    names = identifiers(field, file.language_id)
    if not names or names[0] in _NO_FIELDS:
        return 0.0
    if named := [name for name in names if name in around.members]:
        return max(_named(name, around) for name in named)
    return _HIDDEN if names[0].startswith("_") else share


def _named(member: str, around: Surroundings) -> float:
    return _NAMED if around.near(member) >= NEAR else _NAMED_FAR


@remembered
def _signature(file: SourceFile, definition: Definition) -> str:
    """Return a function's header, and ``...`` for its body.

    The docstring is left out: another signature says more in as many tokens.
    """
    lines = skeleton(file.text, file.outline, definition).split("\n")
    if len(lines) > 2 and lines[-1].strip() == "...":
        lines = [*lines[:-2], "..."]
    header = _joined(lines)
    language = get_language(file.language_id)
    if len(header) <= _SIGNATURE_CHARS_MAX or language is None or not language.name_first:
        return header
    return _shortened(header)


def _joined(lines: list[str]) -> str:
    """Join the lines of a header or value that is broken inside brackets."""
    line = " ".join(line.strip() for line in lines)
    return re.sub(r",? ([)\]])", r"\1", re.sub(r"([(\[]) ", r"\1", line))


def _shortened(header: str) -> str:
    """Leave out long types and default values: the names say most."""
    opening = header.find("(")
    parameters, closing = _split(header, opening + 1)
    short = [
        parameter.partition(":")[0] if len(parameter) > _PARAMETER_CHARS_MAX else parameter
        for parameter in parameters
    ]
    return f"{header[: opening + 1]}{', '.join(short)}{header[closing:]}"


def _split(header: str, start: int) -> tuple[list[str], int]:
    """Split at commas outside brackets, up to the closing bracket; return its offset, too."""
    found, depth = [], 0
    for at in range(start, len(header)):
        character = header[at]
        if depth == 0 and character in ",)":
            found.append(header[start:at].strip())
            start = at + 1
            if character == ")":
                return found, at
        depth += (character in "([{") - (character in ")]}")
    return [*found, header[start:].strip()], len(header)
