"""Parsing with tree-sitter, in bounded time."""

from __future__ import annotations

import ctypes
import importlib
import sys
import time
from functools import cache
from typing import TYPE_CHECKING

from fimls.syntax.languages import get_language
from fimls.text import utf8

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
    parsing takes longer than ``budget_ms`` of this thread's processor time: how busy the machine is
    must not decide what is found. Code reads at about 5 MB/s, but error recovery can take
    seconds for text that is no code.
    """
    language = get_language(language_id)
    if language is None or language.grammar is None:
        return None
    data = utf8(text)
    if len(data) > MAX_PARSE_BYTES:
        return None
    from tree_sitter import Parser

    parser = Parser(_load_grammar(language.grammar.source))
    budget_s = budget_ms / 1000
    # No thread has more processor time than time; asking for it is a system call, and takes longer
    # than what is parsed between two calls.
    earliest, deadline = time.monotonic() + budget_s, time.thread_time() + budget_s
    view, chunks = memoryview(data), list[bytes]()

    def read(byte_: int, _point: tree_sitter.Point) -> bytes:
        if len(data) - byte_ <= 1:
            return data[byte_:]  # the interpreter's own, which are always there
        chunks.append(bytes(view[byte_ : byte_ + _CHUNK_BYTES]))
        return chunks[-1]

    def out_of_time(_byte: int, _has_error: bool) -> bool:  # noqa: FBT001  tree-sitter's signature
        return time.monotonic() > earliest and time.thread_time() > deadline

    try:
        return parser.parse(read, progress_callback=out_of_time)
    except ValueError:  # the only sign of a stopped parse; a wrong grammar fails in Parser()
        return None
    finally:
        del parser
        _let_go(chunks)


def _let_go(chunks: list[bytes]) -> None:
    """Take back the references that the parser keeps for ever, and empty the list.

    py-tree-sitter 0.26 never gives up what ``read`` returns: each parse would leak its text. Where
    it does, there is nothing to take back.
    """
    chunks.append(bytes(bytearray(2)))  # nobody else has this one
    owned = sys.getrefcount(chunks[-1])
    for at in range(len(chunks) - 1):
        if sys.getrefcount(chunks[at]) > owned:
            ctypes.pythonapi.Py_DecRef(ctypes.py_object(chunks[at]))
    chunks.clear()


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


@cache
def _load_grammar(source: str) -> tree_sitter.Language:
    from tree_sitter import Language

    module, _, function = source.partition(":")
    return Language(getattr(importlib.import_module(module), function)())
