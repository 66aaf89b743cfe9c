"""Questions about the cursor: does a block start here, is this a string or a comment.

A whole tree answers exactly. While somebody types, trees have errors, and what a parser recovers
near the cursor says little; then the lines around the cursor answer: how the line before ends and
how the next is indented. Languages without a grammar are answered from lines alone.
"""

from __future__ import annotations

import enum
import re
from functools import cache
from typing import TYPE_CHECKING

from fimls.syntax.languages import Language, get_language
from fimls.syntax.tree import parse
from fimls.text import utf8

if TYPE_CHECKING:
    import tree_sitter

# Node types of all grammars in the table; the same name means the same in each that has it.
_COMMENTS = frozenset({"block_comment", "comment", "line_comment"})
_STRINGS = frozenset(
    {
        "char_literal",
        "character_literal",
        "interpreted_string_literal",
        "raw_string_literal",
        "regex",
        "rune_literal",
        "string",
        "string_literal",
        "template_string",
    }
)
_CODE_IN_STRINGS = frozenset({"interpolation", "string_interpolation", "template_substitution"})

_CLOSERS_ONLY = re.compile(r"\s*[)\]}>;,]*\s*")
_TAB_COLUMNS = 8
# About 400 lines to each side.
_NEAR_CHARS = 16_000
_AT_MARGIN = re.compile(r"\n(?=\w)")


class _Place(enum.Enum):
    CODE = enum.auto()
    STRING = enum.auto()
    COMMENT = enum.auto()


def block_starts_here(prefix: str, suffix: str, language_id: str) -> bool:
    """Whether the cursor stands where an empty block's body belongs, so that several lines fit.

    That is behind a line that opens a block, or on an empty line in a block that holds at most
    comments and a docstring, all before the cursor. Behind the cursor the line may hold closing
    brackets only. False for a language whose blocks the table doesn't describe.
    """
    language = get_language(language_id)
    if language is None or not language.block_header:
        return False
    if not _is_empty_line(prefix, suffix, language):
        return False
    prefix, suffix = _around_cursor(prefix, suffix)
    opens_block = _opens_block(_last_line(prefix.rstrip()), language)
    text = prefix + language.filler + suffix
    tree = parse(text, language_id)
    if tree is None:
        return opens_block
    byte_ = len(utf8(prefix))
    if _in_text_node(tree, utf8(text), byte_):
        return False
    if tree.root_node.has_error:
        return opens_block
    # Without a filler a block is a pair of braces, which may also be a literal: the tree decides.
    return _is_alone_in_block(tree, byte_, language) or (bool(language.filler) and opens_block)


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


def in_string_or_comment(prefix: str, suffix: str, language_id: str) -> bool:
    """Whether the cursor stands inside a string (not its interpolated code) or a comment.

    The end of a line comment counts as inside. A string that is not closed yet is recognised on its
    first line. False for an unknown language.
    """
    language = get_language(language_id)
    if language is None:
        return False
    tree = parse(prefix + suffix, language_id)
    if tree is not None:
        if _in_text_node(tree, utf8(prefix + suffix), len(utf8(prefix))):
            return True
        if not tree.root_node.has_error:
            return False
    _, place = _scan_line(_last_line(prefix), language)
    return place is not _Place.CODE


def _in_text_node(tree: tree_sitter.Tree, source: bytes, byte_: int) -> bool:
    """Whether a byte stands in a string or comment. source: what the tree was parsed from."""
    node = tree.root_node.descendant_for_byte_range(max(byte_ - 1, 0), byte_)
    while node is not None and node.type not in _CODE_IN_STRINGS:
        inside = node.start_byte < byte_ < node.end_byte
        if node.is_named and node.type in _STRINGS and inside:
            return True
        if node.type in _COMMENTS and byte_ > node.start_byte:
            # A line comment goes on at its end, until its line ends (some grammars include that).
            on_its_line = b"\n" not in source[node.start_byte : byte_]
            of_several = source.startswith(b"/*", node.start_byte)
            return inside if of_several else on_its_line
        node = node.parent
    return False


def _is_alone_in_block(tree: tree_sitter.Tree, byte_: int, language: Language) -> bool:
    """Whether nothing but the filler, comments and a docstring stand in the block at a byte."""
    block = tree.root_node.descendant_for_byte_range(byte_, byte_ + len(language.filler))
    while block is not None and block.type not in language.block_types:
        block = block.parent
    if block is None:
        return False
    statements = [child for child in block.named_children if child.type not in _COMMENTS]
    if language.filler and statements and _is_docstring(statements[0]):
        del statements[0]
    own = [byte_] if language.filler else []
    return own == [statement.start_byte for statement in statements]


def _is_docstring(statement: tree_sitter.Node) -> bool:
    return [child.type for child in statement.named_children] == ["string"]


def _opens_block(line: str, language: Language) -> bool:
    code, place = _scan_line(line, language)
    return place is not _Place.STRING and bool(re.search(language.block_header, code.rstrip()))


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


def _scan_line(line: str, language: Language) -> tuple[str, _Place]:
    """Return a line without its trailing comment, and where the line's end stands.

    Takes the line for itself: strings and comments that began earlier aren't known here.
    """
    opening = _opening(language)
    at = 0
    while opening is not None and (match := opening.search(line, at)):
        if match[0] == language.line_comment:
            return line[: match.start()], _Place.COMMENT
        close = _closing(match[0]).match(line, match.end())
        if close is None:
            return line, _Place.STRING
        at = close.end()
    return line, _Place.CODE


@cache
def _opening(language: Language) -> re.Pattern[str] | None:
    marks = [mark for mark in (*language.quotes, language.line_comment) if mark]
    return re.compile("|".join(map(re.escape, marks))) if marks else None


@cache
def _closing(quote: str) -> re.Pattern[str]:
    return re.compile(rf"(?:\\.|(?!{quote})[^\\])*{quote}")
