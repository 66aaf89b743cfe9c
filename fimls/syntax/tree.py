"""Parsing with tree-sitter, in bounded time, and looking at trees."""

from __future__ import annotations

import importlib
import time
from functools import cache
from typing import TYPE_CHECKING

from fimls.syntax.languages import get_language
from fimls.text import byte_offset, utf8

if TYPE_CHECKING:
    import tree_sitter

MAX_PARSE_BYTES = 1_000_000
_PARSE_BUDGET_MS = 250.0
_CHUNK_BYTES = 65_536


def parse(
    text: str, language_id: str, budget_ms: float = _PARSE_BUDGET_MS
) -> tree_sitter.Tree | None:
    """Parse a text.

    Returns None where the language has no grammar, the text has more than MAX_PARSE_BYTES, or
    parsing takes longer than ``budget_ms``. Code reads at about 2 MB/s, but error recovery can take
    seconds for text that is no code.
    """
    language = get_language(language_id)
    if language is None or not language.grammar:
        return None
    data = utf8(text)
    if len(data) > MAX_PARSE_BYTES:
        return None
    from tree_sitter import Parser

    parser = Parser(_load_grammar(language.grammar))
    deadline = time.monotonic() + budget_ms / 1000

    def read(byte_: int, _point: tree_sitter.Point) -> bytes:
        return data[byte_ : byte_ + _CHUNK_BYTES]

    def out_of_time(_byte: int, _has_error: bool) -> bool:  # noqa: FBT001  tree-sitter's signature
        return time.monotonic() > deadline

    try:
        return parser.parse(read, progress_callback=out_of_time)
    except ValueError:  # the only sign of a stopped parse; a wrong grammar fails in Parser()
        return None


def error_count(tree: tree_sitter.Tree) -> int:
    """Return how many ERROR and MISSING nodes a tree has."""
    count = 0
    pending = [tree.root_node]
    while pending:
        node = pending.pop()
        if node.is_error or node.is_missing:
            count += 1
        pending.extend(child for child in node.children if child.has_error)
    return count


def node_at(tree: tree_sitter.Tree, text: str, offset: int) -> tree_sitter.Node:
    """Return the smallest node around an offset of the text that the tree was parsed from.

    Between two nodes it is the one that starts there; in white space, the one that spans it.
    """
    byte_ = byte_offset(text, offset)
    return tree.root_node.descendant_for_byte_range(byte_, byte_) or tree.root_node


@cache
def _load_grammar(grammar: str) -> tree_sitter.Language:
    from tree_sitter import Language

    module, _, function = grammar.partition(":")
    return Language(getattr(importlib.import_module(module), function)())
