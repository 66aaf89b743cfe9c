"""Syntax nodes as middles: those around a place in the file, by their types in the grammars."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fimls.syntax import get_language, parse
from fimls.syntax.language import Blocks, Grammar, Language
from fimls.text import offset_at_byte, utf8
from training.corpus import is_broken
from training.types import SpanKind

if TYPE_CHECKING:
    import tree_sitter

_EXPRESSION_CHARS_MIN = 3
_PAST_DOCSTRING = 0.7
_REST_OF_BLOCK = 0.4

_FUNCTION = re.compile(r"function|method|constructor|lambda|closure|func_literal")


class SyntaxPlaces:
    """A file's tree, and the nodes around places in it."""

    def __init__(
        self, text: str, tree: tree_sitter.Tree, language: Language, grammar: Grammar
    ) -> None:
        self._text = text
        self._source = utf8(text)
        self._root = tree.root_node
        self._language = language
        self._grammar = grammar
        self._brackets = [match.end() for match in re.finditer(rb"\((?!\))", self._source)]

    @classmethod
    def of(cls, text: str, language_id: str) -> SyntaxPlaces | None:
        """Parse a file; None without a grammar, or where there is no tree that can be trusted."""
        language = get_language(language_id)
        tree = parse(text, language_id)
        grammar = language.grammar if language else None
        if language is None or grammar is None or tree is None or is_broken(tree):
            return None
        return cls(text, tree, language, grammar)

    def draw(self, kind: SpanKind, chars_max: int, rng: random.Random) -> tuple[int, int] | None:
        """A node of a kind around a random place, as offsets; None where there is none.

        The longer a node, the more likely it is drawn, as a cursor would be in it.
        """
        if not self._source:
            return None
        byte_ = rng.randrange(len(self._source))
        if kind is SpanKind.ARGUMENTS and self._brackets:  # they are short: look after a bracket
            byte_ = rng.choice(self._brackets)
        leaf = self._root.descendant_for_byte_range(byte_, byte_)
        found = [
            place
            for node in _upwards(leaf)
            if not node.has_error and (place := self._place(node, kind, chars_max, rng))
        ]
        return rng.choice(found) if found else None

    def _place(
        self, node: tree_sitter.Node, kind: SpanKind, chars_max: int, rng: random.Random
    ) -> tuple[int, int] | None:
        """Where a node's middle is, if it is of a kind and short enough."""
        name, grammar = node.type, self._grammar
        if kind is SpanKind.EXPRESSION:
            wanted = name.endswith("_expression") or name in grammar.expressions
            short = node.end_byte - node.start_byte < _EXPRESSION_CHARS_MIN
            return self._span(node, chars_max) if wanted and not short else None
        if kind is SpanKind.ARGUMENTS:
            return self._inside(node, chars_max) if name in grammar.arguments else None
        if kind is SpanKind.STATEMENT:
            statement = name.endswith("_statement") or name in grammar.statements
            return self._span(node, chars_max) if statement and name not in grammar.blocks else None
        if name not in grammar.blocks:
            return None
        parent = node.parent
        is_body = parent is not None and _FUNCTION.search(parent.type) is not None
        if is_body != (kind is SpanKind.BODY):
            return None
        return self._block(node, chars_max, rng)

    def _block(
        self, node: tree_sitter.Node, chars_max: int, rng: random.Random
    ) -> tuple[int, int] | None:
        """A block's content, from its start or from a later statement to its end."""
        children = node.named_children
        if not children:
            return None
        first = 0
        if self._language.indented and _is_docstring(children[0]) and len(children) > 1:
            first = int(rng.random() < _PAST_DOCSTRING)
        # Where a word ends a block, its node may hold that word and the one that began it.
        end = node.end_byte if self._language.indented else children[-1].end_byte
        if self._language.blocks is Blocks.BRACES and self._is_bracketed(node):
            whole = self._inside(node, chars_max)
        else:
            whole = self._offsets(children[first].start_byte, end, chars_max)
        if whole is not None and rng.random() >= _REST_OF_BLOCK:
            return whole
        # The rest of the block from a statement on; where the whole is too long, the only way.
        later = [
            place
            for child in children[first + 1 :]
            if (place := self._offsets(child.start_byte, end, chars_max))
        ]
        return rng.choice(later) if later else whole

    def _span(self, node: tree_sitter.Node, chars_max: int) -> tuple[int, int] | None:
        return self._offsets(node.start_byte, node.end_byte, chars_max)

    def _inside(self, node: tree_sitter.Node, chars_max: int) -> tuple[int, int] | None:
        """The text between a node's brackets."""
        if not self._is_bracketed(node):
            return None
        return self._offsets(node.start_byte + 1, node.end_byte - 1, chars_max)

    def _is_bracketed(self, node: tree_sitter.Node) -> bool:
        return self._source[node.start_byte : node.start_byte + 1] in {b"(", b"{"}

    def _offsets(self, start: int, end: int, chars_max: int) -> tuple[int, int] | None:
        """From bytes to offsets, without white space at the ends; None if too long or empty."""
        if not 0 < end - start <= 4 * chars_max:  # in UTF-8 at most
            return None
        begin = offset_at_byte(self._text, start)
        text = self._source[start:end].decode("utf-8", "surrogatepass")
        stripped = text.strip()
        begin += len(text) - len(text.lstrip())
        return (begin, begin + len(stripped)) if 0 < len(stripped) <= chars_max else None


def _upwards(node: tree_sitter.Node | None) -> Iterator[tree_sitter.Node]:
    while node is not None:
        if node.is_named:
            yield node
        node = node.parent


def _is_docstring(statement: tree_sitter.Node) -> bool:
    return [child.type for child in statement.named_children] == ["string"]
