"""Lines as the steps see them: where they end, how deep they stand, how much they say."""

from __future__ import annotations

import re
from collections.abc import Iterator

# As in ``text``; not str.splitlines, which also breaks at form feeds, U+2028 and others.
LINE_END = re.compile(r"\r\n?|\n")
_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")
_ONLY_CLOSERS = re.compile(r"\s*[)\]}]+[;,]?\s*")
_WORD_CHARS_OF_DISTINCT_LINE = 5
_TAB_COLUMNS = 8


def last_line(text: str) -> str:
    """What stands behind the last line end."""
    return text[max(text.rfind("\n"), text.rfind("\r")) + 1 :]


def split_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a text with their ends, each with the offset of its start."""
    return ((match.start(), match[0]) for match in _LINE.finditer(text))


def indentation(line: str) -> str:
    """The spaces and tabs that a line begins with."""
    return line[: len(line) - len(line.lstrip(" \t"))]


def indent_columns(line: str) -> int:
    """How many columns a line is indented, a tab up to the next multiple of eight."""
    return len(indentation(line).expandtabs(_TAB_COLUMNS))


def only_closes(line: str) -> bool:
    """Whether a line holds closing brackets only, with a comma or semicolon at most."""
    return _ONLY_CLOSERS.fullmatch(line) is not None


def is_distinct(text: str) -> bool:
    """A lone ``}`` or ``else:`` may well stand twice; a line with a word and more may not."""
    return len(re.findall(r"\w", text)) >= _WORD_CHARS_OF_DISTINCT_LINE
