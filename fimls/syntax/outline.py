"""A file's outline: what it defines and imports, and definitions without their bodies."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from fimls.syntax.definitions import Definition, find_definitions
from fimls.syntax.imports import find_imports
from fimls.syntax.language import Blocks, Language
from fimls.syntax.languages import get_language
from fimls.syntax.modules import Import
from fimls.syntax.query import matches
from fimls.syntax.tree import parse
from fimls.text import utf8

_CHUNK_BYTES = 1024
_CONTINUATION_BYTES = bytes(range(0x80, 0xC0))

_MAX_FIELD_LINES = 24
_MAX_METHODS = 32
_MAX_VALUE_LINES = 4
_MAX_LINE = 120
_DOCSTRING = re.compile(
    r"""[rRuU]?("{3}|'{3}|"|')[ \t]*\n?[ \t]*([^\n]*?)[ \t]*(?:\1|\n[\s\S]*?\1)"""
)
_COMMENT_BEHIND_HEADER = re.compile(r":\s*#[\s\S]*\Z")
_LINE_BREAK = re.compile(r"\s*\n\s*")
# Blank, a comment, left-over punctuation.
_NO_FIELD = re.compile(r"\s*(?:$|[#*]|--|//|/\*|[;,]+\s*$)")


@dataclass(frozen=True, slots=True)
class Outline:
    """Definitions, methods included, and imports, both in document order."""

    definitions: tuple[Definition, ...]
    imports: tuple[Import, ...]
    language_id: str = ""


def outline(text: str, language_id: str) -> Outline | None:
    """Return what a text defines and imports, as far as its syntax errors let one see.

    None: no grammar, too large or too slow to parse (see :func:`fimls.syntax.tree.parse`).
    """
    language = get_language(language_id)
    tree = parse(text, language_id)
    if language is None or language.grammar is None or tree is None:
        return None
    source = utf8(text)
    grammar = language.grammar
    found = matches(tree, source, grammar.query)
    imports, bound = find_imports(found, source, grammar)
    definitions = find_definitions(found, source, _offsets(source), bound, grammar)
    return Outline(definitions, imports, language_id)


def _offsets(source: bytes) -> Callable[[int], int]:
    """Return a function from a byte of UTF-8 to its offset, cheap for many calls."""
    if source.isascii():
        return lambda byte_: byte_
    starts = [0]  # the offset at each chunk's first byte
    for begin in range(0, len(source), _CHUNK_BYTES):
        starts.append(starts[-1] + _code_points(source[begin : begin + _CHUNK_BYTES]))

    def offset(byte_: int) -> int:
        chunk = byte_ // _CHUNK_BYTES
        return starts[chunk] + _code_points(source[chunk * _CHUNK_BYTES : byte_])

    return offset


def _code_points(source: bytes) -> int:
    """Return how many code points begin in a piece of UTF-8."""
    return len(source.translate(None, _CONTINUATION_BYTES))


def skeleton(text: str, outline: Outline, definition: Definition) -> str:
    """Return a definition of a text's outline without its bodies, dedented.

    A function: its signature, and a docstring's first line. A class or type: its header, its
    fields, and a signature for each method, also for those elsewhere in the file (Go,
    ``impl``). A constant: its first lines. Decorators and comments are left out.
    """
    language = get_language(outline.language_id)
    assert language is not None, "an outline names its language"
    whole = text[definition.header : definition.end]
    if definition.kind in {"class", "type"} and "\n" in whole and definition.body < definition.end:
        lines = _class_lines(text, outline, definition, language)
    elif definition.kind in {"function", "method"}:
        lines = _function_lines(text, definition, language)
    else:
        lines = _clipped(whole.split("\n"), _MAX_VALUE_LINES)
    indent = _indent(text, definition.start)
    return textwrap.dedent("\n".join([indent + lines[0], *lines[1:]]))


def _function_lines(text: str, definition: Definition, language: Language) -> list[str]:
    docstring = _DOCSTRING.match(text, definition.body) if language.indented else None
    if docstring is None or not docstring[2] or len(docstring[2]) > _MAX_LINE:
        return _elided(text, definition, language).split("\n")
    indent = _indent(text, definition.body) or _indent(text, definition.start) + "    "
    header = _header(text, definition, language)
    return [*header.split("\n"), f'{indent}"""{docstring[2]}"""', f"{indent}..."]


def _class_lines(
    text: str, outline: Outline, definition: Definition, language: Language
) -> list[str]:
    methods = _MAX_METHODS
    position, end = definition.body, definition.end
    lines = _header(text, definition, language).split("\n")
    if language.blocks is Blocks.BRACES:
        lines[-1] += " {"
        position += 1
        end = text.rindex("}", position, end) if "}" in text[position:end] else end
    else:
        docstring = _DOCSTRING.match(text, position) if language.indented else None
        if docstring is None:
            position -= len(_indent(text, position))
        else:
            position = docstring.end()
            if docstring[2] and len(docstring[2]) <= _MAX_LINE:
                lines.append(f'{_indent(text, definition.body)}"""{docstring[2]}"""')
        end -= len(language.closing_word(text, end))
    members: list[str] = []
    for child in outline.definitions:
        if position <= child.start and child.end <= end and methods:
            members += _fields(text[position : child.start])
            signature = _elided(text, child, language)
            members.append(_indent(text, child.start) + _one_line(signature, language))
            position = child.end
            methods -= 1
    members += _fields(text[position:end]) if methods else []
    lines += _clipped(members, _MAX_FIELD_LINES + _MAX_METHODS) or ["    ..."]
    if not language.indented:
        lines.append(_indent(text, definition.start) + text[end : definition.end])
    elsewhere = (
        _indent(text, definition.start) + _one_line(_elided(text, each, language), language)
        for each in outline.definitions
        if each.kind == "method"
        and each.container == definition.name
        and not definition.start <= each.start < definition.end
    )
    return [*lines, *islice(elsewhere, methods)]


def _fields(between: str) -> list[str]:
    """Return the lines between two methods that are neither blank nor comments."""
    lines = [line.rstrip() for line in between.split("\n") if not _NO_FIELD.match(line)]
    return _clipped(lines, _MAX_FIELD_LINES)


def _header(text: str, definition: Definition, language: Language) -> str:
    header = text[definition.header : definition.body].rstrip()
    return _COMMENT_BEHIND_HEADER.sub(":", header) if language.indented else header


def _elided(text: str, definition: Definition, language: Language) -> str:
    """Return a header with a mark where its body was; a declaration without a body as it is."""
    header = _header(text, definition, language)
    if definition.body == definition.end:
        return header
    if language.blocks is Blocks.BRACES:
        return f"{header} {{ ... }}"
    return f"{header} ... {language.closing_word(text, definition.end)}".rstrip()


def _one_line(signature: str, language: Language) -> str:
    """Join a signature that was broken into lines, unless comments or its length forbid it."""
    if language.line_comment in signature:
        return signature
    joined = _LINE_BREAK.sub(" ", signature).replace("( ", "(").replace(", )", ")")
    joined = joined.replace(" )", ")")
    return joined if len(joined) <= _MAX_LINE else signature


def _clipped(lines: list[str], limit: int) -> list[str]:
    if len(lines) <= limit:
        return lines
    last = lines[limit - 1]
    return [*lines[: limit - 1], last[: len(last) - len(last.lstrip())] + "..."]


def _indent(text: str, offset: int) -> str:
    """Return the white space between a line's start and an offset, "" where there is more."""
    start = text.rfind("\n", 0, offset) + 1
    return text[start:offset] if text[start:offset].isspace() else ""
