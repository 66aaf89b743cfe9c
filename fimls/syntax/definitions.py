"""Definitions in a tree: what a file gives a name to, and where."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from fimls.syntax.language import Grammar
from fimls.syntax.query import Captures, text_of

if TYPE_CHECKING:
    import tree_sitter

Kind = Literal["function", "class", "method", "constant", "type"]

_KINDS: tuple[Kind, ...] = ("function", "class", "method", "type", "constant")
_SCOPES = ("impl", "namespace", "local")
_HOLDS_METHODS = frozenset({"class", "type", "impl"})
_HIDES_CONSTANTS = frozenset({"class", "function", "impl", "local", "method", "type"})


@dataclass(frozen=True, slots=True)
class Definition:
    """Something with a name. Offsets are code points."""

    name: str
    """Bare."""
    kind: Kind
    """A struct, union, interface, trait, enum or alias is a "type"; "constant" is a variable of the
    file or of a namespace."""
    start: int
    """Where its first decorator or attribute begins."""
    body: int
    """Where its body begins: at the brace, else at its first statement; ``end`` without one."""
    end: int
    """Without the last line end."""
    container: str
    """The innermost class, type, impl, namespace or function it belongs to, "" for none."""
    header: int
    """Where it begins after its decorators and attributes."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A definition or a scope. Positions are bytes; ``key`` is its name's, or its own."""

    key: int
    name: str
    kind: str
    start: int
    body: int
    end: int
    container: str
    header: int

    def holds(self, other: _Found) -> bool:
        """Whether another, which starts later and ends earlier, is in the body, not the header."""
        return self.body <= other.start or self.body == self.end

    def rank(self) -> tuple[bool, bool, int]:
        """Of several matches for one name: a constant comes last, then what has no body."""
        return self.kind == "constant", self.body == self.end, self.start


def find_definitions(
    matches: Iterable[Captures],
    source: bytes,
    offset: Callable[[int], int],
    bound: frozenset[int],
    grammar: Grammar,
) -> tuple[Definition, ...]:
    """Return the definitions among a query's matches, in document order.

    offset: from a byte. bound: bytes where names begin that imports bind, which are no constants.
    """
    best: dict[tuple[int, bool], _Found] = {}
    for captures in matches:
        found = _found(captures, source, grammar)
        if found is None or (found.kind == "constant" and found.key in bound):
            continue
        key = found.key, found.kind in _SCOPES
        if key not in best or found.rank() < best[key].rank():
            best[key] = found
    definitions = []
    open_: list[_Found] = []  # what may contain the definition at hand, outermost first
    for found in sorted(best.values(), key=lambda found: (found.start, -found.end)):
        while open_ and open_[-1].end < found.end:
            open_.pop()
        containers = [each for each in open_ if each.holds(found)]
        definition = _definition(found, containers, offset)
        if definition is not None:
            definitions.append(definition)
        if found.kind != "constant":
            open_.append(found)
    return tuple(definitions)


def _definition(
    found: _Found, containers: list[_Found], offset: Callable[[int], int]
) -> Definition | None:
    """Return what was found as a definition; None for a scope and for what is local."""
    if found.kind in _SCOPES:
        return None
    local = found.kind == "constant" or found.body == found.end
    hiding = _HIDES_CONSTANTS if found.kind == "constant" else {"function", "method", "local"}
    if local and found.kind != "type" and any(each.kind in hiding for each in containers):
        return None
    named = next((each for each in reversed(containers) if each.name), None)
    kind = next(kind for kind in _KINDS if kind == found.kind)
    if kind == "function":
        direct = bool(containers) and containers[-1].kind in _HOLDS_METHODS
        kind = "method" if direct or found.container else kind
    return Definition(
        name=found.name,
        kind=kind,
        start=offset(found.start),
        body=offset(found.body),
        end=offset(found.end),
        container=found.container or (named.name if named else ""),
        header=offset(found.header),
    )


def _found(captures: Captures, source: bytes, grammar: Grammar) -> _Found | None:
    for kind in (*_KINDS, *_SCOPES, "declarator"):
        if kind in captures:
            break
    else:
        return None
    node = captures[kind][0]
    if kind in _SCOPES:
        name = text_of(captures["name"][0], source) if "name" in captures else ""
        start, end = node.start_byte, node.end_byte
        return _Found(start, name, kind, start, start, end, "", start)
    bodies = captures.get("body", [])
    if kind == "declarator":
        declared = _declared(node, grammar)
        if declared is None:
            return None
        node, kind = declared, "function"
        body = declared.child_by_field_name("body")
        bodies = [body] if body else []
    if "close" in captures:
        bodies = [_first_comment([*bodies, *captures["close"]][0], grammar)]
    name_node = captures["name"][0]
    node = _wrapped(node, grammar)
    end = node.end_byte
    if node.end_point.column == 0:  # C's preprocessor lines include their line ends
        end = node.start_byte + len(source[node.start_byte : end].rstrip())
    return _Found(
        key=name_node.start_byte,
        name=text_of(name_node, source).rstrip(grammar.name_marks),
        kind=kind,
        start=_first_attribute(node, grammar).start_byte,
        body=bodies[0].start_byte if bodies else end,
        end=end,
        container=text_of(captures["container"][0], source) if "container" in captures else "",
        header=_after_attributes(node, grammar).start_byte,
    )


def _declared(declarator: tree_sitter.Node, grammar: Grammar) -> tree_sitter.Node | None:
    node: tree_sitter.Node | None = declarator
    while node is not None and node.type.endswith("_declarator"):
        node = node.parent
    return node if node is not None and node.type in grammar.declared else None


def _wrapped(node: tree_sitter.Node, grammar: Grammar) -> tree_sitter.Node:
    """Return the statement that is nothing but this definition: exported, decorated, declared."""
    while (parent := node.parent) is not None and (
        parent.type in grammar.wrappers
        or (parent.type in grammar.groups and parent.named_child_count == 1)
    ):
        node = parent
    return node


def _first_comment(body: tree_sitter.Node, grammar: Grammar) -> tree_sitter.Node:
    """Return the first of the comments that the grammar puts before a body, or the body."""
    while (before := body.prev_named_sibling) is not None and before.type in grammar.comments:
        body = before
    return body


def _first_attribute(node: tree_sitter.Node, grammar: Grammar) -> tree_sitter.Node:
    """Return the first of the attributes that are a node's siblings before it, or the node."""
    while (before := node.prev_named_sibling) is not None and before.type in grammar.attributes:
        node = before
    return node


def _after_attributes(node: tree_sitter.Node, grammar: Grammar) -> tree_sitter.Node:
    """Return the first child that is no attribute; Java's are among its modifiers."""
    for child in node.children:
        if child.type == "modifiers":
            for modifier in child.children:
                if modifier.type not in grammar.attributes:
                    return modifier
        elif child.type not in grammar.attributes:
            return child
    return node
