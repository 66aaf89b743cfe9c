"""What a file's bytes and its syntax tree say about its worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fimls.syntax import error_count

if TYPE_CHECKING:
    import tree_sitter

_DIGITS = tuple(b"%d" % digit for digit in range(10))
_SPACE = b" \t\r\n\f\v"
_LETTERS = bytes([*range(65, 91), *range(97, 123), *range(128, 256)])  # of any alphabet
_MOST_DIGITS = 0.3
_FEWEST_LETTERS = 0.25
_TABLE_HEAD_BYTES = 20_000
_MOST_LITERAL_LINES = 0.8
_LITERALS = (b'"', b"'", b"(", b"[", b"{", b"-", *_DIGITS)

_FREE_ERRORS = 3
_LINES_AN_ERROR = 50


def is_too_small(data: bytes, min_chars: int) -> bool:
    """Whether there is less than ``min_chars`` of anything but white space."""
    return len(data) < min_chars or (
        len(data) < 20 * min_chars and len(data.translate(None, _SPACE)) < min_chars
    )


def is_data(data: bytes) -> bool:
    """Whether a file is a table rather than a program.

    More than 30 % of it are digits (as in Refact's filter), less than 25 % letters, or 80 % of the
    lines of its first 20 KB begin with a literal.
    """
    solid = len(data.translate(None, _SPACE)) or 1
    if sum(map(data.count, _DIGITS)) > _MOST_DIGITS * solid:
        return True
    if len(data) - len(data.translate(None, _LETTERS)) < _FEWEST_LETTERS * solid:
        return True
    head = data[:_TABLE_HEAD_BYTES]
    if len(head) < _TABLE_HEAD_BYTES:
        return False
    lines = head.split(b"\n")
    literal = sum(line.lstrip().startswith(_LITERALS) for line in lines)
    return literal > _MOST_LITERAL_LINES * len(lines)


def is_broken(tree: tree_sitter.Tree) -> bool:
    """Whether a tree has so many errors that its nodes can't be trusted.

    More than 3, and more than one in 50 lines. Files are not dropped for it: parsing reads 5 MB/s,
    which is slower than all the work of this package together; spans by syntax are not drawn.
    """
    if not tree.root_node.has_error:
        return False
    lines = tree.root_node.end_point.row + 1
    return error_count(tree) > max(_FREE_ERRORS, lines // _LINES_AN_ERROR)
