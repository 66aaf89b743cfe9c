"""Whether a block starts at the cursor.

A whole tree answers exactly. While somebody types, trees have errors, and what a parser recovers
near the cursor says little; then the lines around the cursor answer: how the line before ends and
how the next is indented. Languages without a grammar are answered from lines alone.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from fimls.syntax.language import Grammar, Language
from fimls.syntax.languages import get_language
from fimls.syntax.tree import parse
from fimls.text import utf8

if TYPE_CHECKING:
    import tree_sitter

_CLOSERS_ONLY = re.compile(r"\s*[)\]}>;,]*\s*")
_TAB_COLUMNS = 8
# About 400 lines to each side.
_NEAR_CHARS = 16_000
_AT_MARGIN = re.compile(r"\n(?=\w)")


def block_starts_here(prefix: str, suffix: str, language_id: str) -> bool:
    """Whether the cursor is where an empty block's body belongs, so that several lines fit.

    That is after a line that opens a block, or on an empty line in a block that holds at most
    comments and a docstring, all before the cursor. After the cursor the line may hold closing
    brackets only. False for a language whose blocks the table doesn't describe.
    """
    language = get_language(language_id)
    if language is None or not language.block_header:
        return False
    if not _is_empty_line(prefix, suffix, language):
        return False
    prefix, suffix = _around_cursor(prefix, suffix)
    opens_block = _opens_block(_last_line(prefix.rstrip()), language)
    grammar = language.grammar
    filler = grammar.filler if grammar else ""
    text = prefix + filler + suffix
    tree = parse(text, language_id)
    if grammar is None or tree is None:
        return opens_block
    byte_ = len(utf8(prefix))
    if _in_text_node(tree, utf8(text), byte_, language):
        return False
    if tree.root_node.has_error:
        return opens_block
    # Without a filler a block is a pair of braces, which may also be a literal: the tree decides.
    return _is_alone_in_block(tree, byte_, grammar) or (bool(filler) and opens_block)


def _around_cursor(prefix: str, suffix: str) -> tuple[str, str]:
    """The definitions around the cursor: a parse at each keystroke must not read a long file.

    Both ends are lines that start at the margin, where a file's parts can be told apart.
    """
    if len(prefix) > _NEAR_CHARS:
        at = prefix.find("\n", len(prefix) - _NEAR_CHARS)
        margin = _AT_MARGIN.search(prefix, at) if at >= 0 else None
        prefix = prefix[margin.start() + 1 :] if margin else prefix
    if len(suffix) > _NEAR_CHARS:
        margin = _AT_MARGIN.search(suffix, _NEAR_CHARS)
        suffix = suffix[: margin.start() + 1] if margin else suffix
    return prefix, suffix


def _in_text_node(tree: tree_sitter.Tree, source: bytes, byte_: int, language: Language) -> bool:
    """Whether a byte is in a string or comment. source: what the tree was parsed from."""
    grammar = language.grammar
    assert grammar is not None, "there is a tree"
    node = tree.root_node.descendant_for_byte_range(max(byte_ - 1, 0), byte_)
    while node is not None and node.type not in grammar.code_in_strings:
        inside = node.start_byte < byte_ < node.end_byte
        if node.is_named and node.type in grammar.strings and inside:
            return True
        if node.type in grammar.comments and byte_ > node.start_byte:
            # A line comment goes on at its end, until its line ends (some grammars include that).
            on_its_line = b"\n" not in source[node.start_byte : byte_]
            of_several = language.block_comment is not None and source.startswith(
                language.block_comment[0].encode(), node.start_byte
            )
            return inside if of_several else on_its_line
        node = node.parent
    return False


def _is_alone_in_block(tree: tree_sitter.Tree, byte_: int, grammar: Grammar) -> bool:
    """Whether the block at a byte holds nothing but the filler, comments and a docstring."""
    block = tree.root_node.descendant_for_byte_range(byte_, byte_ + len(grammar.filler))
    while block is not None and block.type not in grammar.blocks:
        block = block.parent
    if block is None:
        return False
    statements = [child for child in block.named_children if child.type not in grammar.comments]
    if grammar.filler and statements and _is_docstring(statements[0]):
        del statements[0]
    own = [byte_] if grammar.filler else []
    return own == [statement.start_byte for statement in statements]


def _is_docstring(statement: tree_sitter.Node) -> bool:
    return [child.type for child in statement.named_children] == ["string"]


def _opens_block(line: str, language: Language) -> bool:
    code = _without_comment(line, language)
    return code is not None and bool(re.search(language.block_header, code.rstrip()))


def _is_empty_line(prefix: str, suffix: str, language: Language) -> bool:
    """Whether the cursor's line holds no more than a block's header, and no line belongs below.

    The next line with text, if any, must be indented no deeper than the one before the cursor.
    """
    line, rest = _last_line(prefix), _first_line(suffix)
    if not _CLOSERS_ONLY.fullmatch(rest) or (line.strip() and not _opens_block(line, language)):
        return False
    below = suffix[len(rest) :]
    text = below.lstrip()
    if rest.strip() or not text:  # a closing bracket on the cursor's line ends the block at once
        return True
    above = _last_line(prefix.rstrip())
    indent = _last_line(below[: len(below) - len(text)])
    return _columns(indent) <= _columns(above[: len(above) - len(above.lstrip())])


def _columns(indent: str) -> int:
    return len(indent.expandtabs(_TAB_COLUMNS))


def _first_line(text: str) -> str:
    return re.split(r"[\r\n]", text, maxsplit=1)[0]


def _last_line(text: str) -> str:
    return text[max(text.rfind("\n"), text.rfind("\r")) + 1 :]


def _without_comment(line: str, language: Language) -> str | None:
    """Return a line without its trailing comment; None where it ends inside a string.

    Takes the line for itself: strings and comments that began earlier aren't known here.
    """
    opening = _opening(language)
    at = 0
    while opening is not None and (match := opening.search(line, at)):
        if match[0] not in language.quotes:
            return line[: match.start()]
        close = _closing(match[0]).match(line, match.end())
        if close is None:
            return None
        at = close.end()
    return line


@cache
def _opening(language: Language) -> re.Pattern[str] | None:
    marks = [*map(re.escape, language.quotes), language.comment_pattern]
    return re.compile("|".join(filter(None, marks))) if any(marks) else None


@cache
def _closing(quote: str) -> re.Pattern[str]:
    return re.compile(rf"(?:\\.|(?!{quote})[^\\])*{quote}")
