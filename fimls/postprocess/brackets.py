"""The brackets of code; strings and comments are blanked first."""

from __future__ import annotations

import re
from functools import cache

from fimls.syntax import get_language

_BRACKET = re.compile(r"[()\[\]{}]")
_NOT_LINE_END = re.compile(r"[^\r\n]")
_QUOTES = "\"'`"
PAIRS = ("()", "[]", "{}")
"""The kinds of brackets, in the order in which they are counted."""

_OPENERS = "([{"
_PAIR_OF = {bracket: pair for pair in PAIRS for bracket in pair}


def blank_text(code: str, language_id: str) -> tuple[str, bool]:
    """Blank comments, and strings but for their first quote; the length stays the same.

    Returns the code, and whether its end is inside a string or comment of several lines. A string
    of one line ends with the line at the latest. Code of an unknown language is left as it is.
    """
    pattern = _text_pattern(language_id)
    if pattern is None:
        return code, False
    open_end = False

    def blank(match: re.Match[str]) -> str:
        nonlocal open_end
        open_end = match.lastgroup == "open"
        kept = int(match[0][0] in _QUOTES)
        return match[0][:kept] + _NOT_LINE_END.sub(" ", match[0][kept:])

    return pattern.sub(blank, code), open_end


@cache
def _text_pattern(language_id: str) -> re.Pattern[str] | None:
    """Finds comments and strings, each to its end or (open) to the end of the text.

    Whatever starts one matches, so that no text is scanned twice.
    """
    language = get_language(language_id)
    if language is None:
        return None
    comments, whole, unended, of_one_line = [], [], [], []
    if language.line_comment:
        comments.append(rf"(?:{language.comment_pattern})[^\r\n]*")
    if language.block_comment:
        begin, end = map(re.escape, language.block_comment)
        comments.append(rf"{begin}[\s\S]*?{end}")
        unended.append(rf"{begin}[\s\S]*")
    for quote in language.quotes:
        if len(quote) == 3 or quote == "`":
            whole.append(rf"{quote}(?:(?!{quote})[^\\]|\\[\s\S])*{quote}")
            unended.append(rf"{quote}[\s\S]*")
        else:
            of_one_line.append(rf"{quote}(?:[^\\\r\n{quote}]|\\[\s\S])*(?:{quote}|\\?\Z)?")
    groups = {"comment": comments, "whole": whole, "open": unended, "line": of_one_line}
    found = [f"(?P<{name}>{'|'.join(each)})" for name, each in groups.items() if each]
    return re.compile("|".join(found)) if found else None


def net_brackets(code: str) -> int:
    """How many more brackets are opened than closed."""
    count = code.count
    return count("(") + count("[") + count("{") - count(")") - count("]") - count("}")


def nets(code: str) -> tuple[int, ...]:
    """How many more brackets are opened than closed, of each kind."""
    return tuple(_net(code, pair) for pair in PAIRS)


def unmatched(code: str) -> tuple[tuple[int, int], ...]:
    """Of each kind, how many brackets the code closes that it didn't open, and how many it opens
    that it doesn't close.
    """
    counts = {pair: [0, 0] for pair in PAIRS}
    for bracket in _BRACKET.findall(code):
        count = counts[_PAIR_OF[bracket]]
        if bracket in _OPENERS:
            count[1] += 1
        elif count[1]:
            count[1] -= 1
        else:
            count[0] += 1
    return tuple((unopened, unclosed) for unopened, unclosed in counts.values())


def missing_closers(code: str) -> list[tuple[int, str]]:
    """The brackets that close what the code leaves open, the innermost first.

    Each with the offset of the bracket that it closes.
    """
    left: list[tuple[int, str]] = []
    for match in _BRACKET.finditer(code):
        bracket = match[0]
        closer = _PAIR_OF[bracket][1]
        if bracket in _OPENERS:
            left.append((match.start(), closer))
        elif left and bracket == left[-1][1]:
            left.pop()
    return left[::-1]


def joined(
    first: tuple[tuple[int, int], ...], second: tuple[tuple[int, int], ...]
) -> tuple[tuple[int, int], ...]:
    """:func:`unmatched` of two pieces of code together, from its results for each."""
    return tuple(
        (unopened + max(closed - opened, 0), unclosed + max(opened - closed, 0))
        for (unopened, opened), (closed, unclosed) in zip(first, second, strict=True)
    )


def _net(code: str, pair: str) -> int:
    return code.count(pair[0]) - code.count(pair[1])
