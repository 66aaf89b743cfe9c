"""Brackets of code alone: strings and comments are blanked first."""

from __future__ import annotations

import re
from functools import cache

from fimls.syntax import get_language

_BRACKET = re.compile(r"[()\[\]{}]")
_OPENERS = "([{"
_CLOSERS = ")]}"


def blank_text(code: str, language_id: str) -> tuple[str, bool]:
    """Blank comments, and strings up to their first quote, so that code of the same length is left.

    Returns it with whether the end stands inside a string or comment of several lines. Code of an
    unknown language is returned as it is.
    """
    pattern = _text_pattern(language_id)
    if pattern is None:
        return code, False
    open_end = False

    def blank(match: re.Match[str]) -> str:
        nonlocal open_end
        open_end = match.lastgroup == "open"
        kept = 0 if match.lastgroup == "comment" else 1
        return match[0][:kept] + re.sub(r"[^\r\n]", " ", match[0][kept:])

    return pattern.sub(blank, code), open_end


@cache
def _text_pattern(language_id: str) -> re.Pattern[str] | None:
    """Comments and whole strings, else those of several lines that have no end."""
    language = get_language(language_id)
    if language is None:
        return None
    found = {"comment": [], "string": [], "open": []}  # type: dict[str, list[str]]
    if language.line_comment:
        found["comment"].append(re.escape(language.line_comment) + r"[^\r\n]*")
    if language.line_comment == "//":
        found["comment"].append(r"/\*[\s\S]*?\*/")
        found["open"].append(r"/\*[\s\S]*")
    for quote in language.quotes:
        several_lines = len(quote) == 3 or quote == "`"
        character = r"[^\\]" if several_lines else r"[^\\\r\n]"
        inside = rf"(?:(?!{quote}){character}|\\[\s\S])*"
        found["string"].append(quote + inside + quote)
        if several_lines:
            found["open"].append(quote + inside + r"\\?\Z")
    groups = [f"(?P<{name}>{'|'.join(each)})" for name, each in found.items() if each]
    return re.compile("|".join(groups)) if groups else None


def net_brackets(code: str) -> int:
    """How many more brackets are opened than closed."""
    return sum(map(code.count, _OPENERS)) - sum(map(code.count, _CLOSERS))


def unmatched(code: str) -> tuple[int, int]:
    """How many brackets are closed that the code didn't open, and opened that it doesn't close."""
    unopened = unclosed = 0
    for bracket in _BRACKET.findall(code):
        if bracket in _OPENERS:
            unclosed += 1
        elif unclosed:
            unclosed -= 1
        else:
            unopened += 1
    return unopened, unclosed
