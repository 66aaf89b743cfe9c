"""Functions whose bodies can be typed: where the typing begins and ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fimls.syntax import get_language, parse
from fimls.text import offset_at_byte

if TYPE_CHECKING:
    import tree_sitter

FEWEST_LINES, MOST_LINES = 3, 25
_MOST_LINE_CHARACTERS = 160
_PARSE_BUDGET_MS = 2_000.0


@dataclass(frozen=True, slots=True)
class Function:
    """A function in a text. ``text[start:end]`` (code points) is what is typed.

    That is everything behind the signature (Python: and the docstring), or between the braces, from
    the line end there to the last statement's end. unit: one level of indentation.
    """

    name: str
    start: int
    end: int
    unit: str


def find_functions(text: str, language_id: str) -> Iterator[Function]:
    """Yield the functions of 3 to 25 lines that parse, in document order, nested ones included."""
    language = get_language(language_id)
    grammar = language.grammar if language else None
    tree = parse(text, language_id, _PARSE_BUDGET_MS)
    pending = [] if grammar is None or tree is None else [tree.root_node]
    while pending:
        node = pending.pop()
        pending.extend(reversed(node.named_children))
        if grammar and node.type in grammar.functions and not node.has_error:
            function = _function(node, text)
            if function is not None:
                yield function


def _function(node: tree_sitter.Node, text: str) -> Function | None:
    body = node.child_by_field_name("body")
    if body is None or not body.named_children:
        return None
    braces = body.children[0].type == "{"
    start_byte = body.start_byte + 1 if braces else _after_docstring(node, body)
    start = offset_at_byte(text, start_byte)
    end = offset_at_byte(text, body.end_byte - 1 if braces else body.end_byte)
    if not braces:  # a comment behind the colon belongs to the signature
        start = text.find("\n", start)
    end = start + len(text[start:end].rstrip())
    typed = text[start:end]
    lines = typed.split("\n")[1:]
    if start < 0 or not typed.startswith("\n") or not FEWEST_LINES <= len(lines) <= MOST_LINES:
        return None
    if max(map(len, lines)) > _MOST_LINE_CHARACTERS:
        return None
    inner, outer = (_indentation(line) for line in (_first_code_line(lines), _line_of(node, text)))
    if not inner.startswith(outer) or inner == outer:
        return None
    return Function(_name(node), start, end, inner[len(outer) :])


def _after_docstring(node: tree_sitter.Node, body: tree_sitter.Node) -> int:
    """Return the byte after a function's signature, or after its docstring."""
    first = body.named_children[0]
    if [child.type for child in first.named_children] == ["string"]:
        return first.end_byte
    colons = [child.end_byte for child in node.children if child.type == ":"]
    if colons:
        return colons[-1]
    return body.prev_sibling.end_byte if body.prev_sibling else body.start_byte


def _name(node: tree_sitter.Node) -> str:
    """Return what a definition names; C hides it in nested declarators."""
    named = node.child_by_field_name("name")
    declarator = node.child_by_field_name("declarator")
    while named is None and declarator is not None:
        inner = declarator.child_by_field_name("declarator")
        named = declarator if inner is None else None
        declarator = inner
    return (named.text or b"").decode("utf-8", "replace") if named is not None else ""


def _line_of(node: tree_sitter.Node, text: str) -> str:
    start = offset_at_byte(text, node.start_byte)
    line_start = text.rfind("\n", 0, start) + 1
    return text[line_start:start] + "x"


def _first_code_line(lines: list[str]) -> str:
    return next(line for line in lines if line.strip())


def _indentation(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]
