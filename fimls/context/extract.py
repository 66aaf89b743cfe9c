"""What the index keeps of one file: the words in windows of lines, and the names it defines.

Table look-ups and regular expressions read the bytes at about 15 MB/s. A parser takes five times as
long, so only the few files that retrieval picks are parsed.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from string import ascii_letters

from fimls.syntax import get_language
from fimls.syntax.words import known_words

WINDOW_LINES = 32
"""Lines in a window, the unit of lexical retrieval. Windows don't overlap."""

# Everything but letters, digits, "_", line ends and what isn't ASCII becomes a space.
_WORD_BYTES = b"_\n" + bytes(c for c in range(128) if chr(c).isalnum()) + bytes(range(128, 256))
_SPACED = bytes(c if c in _WORD_BYTES else 0x20 for c in range(256))
_CAPITAL = re.compile(r"[A-Z]")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Contents:
    """What the index keeps of a file."""

    lines: int
    """How many it has."""
    definitions: frozenset[str]
    """The names that it defines."""
    windows: tuple[frozenset[str], ...]
    """The words in each :data:`WINDOW_LINES` lines."""


def extract(data: bytes, language_id: str) -> Contents:
    """Read a file's UTF-8 bytes; lines end as in :mod:`fimls.text`.

    Words of the language itself, single letters and small numbers are left out.
    """
    data = data.removeprefix(_BOM)
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    lines = data.translate(_SPACED).decode().split("\n")
    left_out = _left_out(language_id)
    return Contents(
        lines=len(lines),
        definitions=_definitions(data, language_id),
        windows=tuple(
            frozenset(" ".join(lines[start : start + WINDOW_LINES]).split()) - left_out
            for start in range(0, len(lines), WINDOW_LINES)
        ),
    )


@functools.cache
def _left_out(language_id: str) -> frozenset[str]:
    """Return words that say nothing: the language's own, letters and common numbers."""
    return known_words(language_id) | {*ascii_letters, "_"} | {*map(str, range(1000))}


def terms(words: Iterable[str]) -> str:
    """Return the terms of the full-text index, which ignores case: ``aB`` becomes ``a^B``."""
    return " ".join([word if word.islower() else _with_marks(word) for word in words])


@functools.lru_cache(maxsize=1 << 16)
def _with_marks(word: str) -> str:
    return _CAPITAL.sub(r"^\g<0>", word)


def _definitions(data: bytes, language_id: str) -> frozenset[str]:
    pattern = _pattern(language_id)
    if pattern is None:
        return frozenset()
    found = {match[match.lastindex or 0] for match in pattern.finditer(b"\n" + data)}
    return frozenset(name.decode() for name in found - _NOT_NAMES)


# Calls and statements that look like the header of a method.
_NOT_NAMES = frozenset(
    b" assert await case catch do else for foreach function if in new of return sizeof super switch"
    b" synchronized throw typeof using void while with yield".split(b" ")
)
# What NAME means in a pattern.
_NAME = rb"[A-Za-z_$\x80-\xff][\w$\x80-\xff]*"


@functools.cache
def _pattern(language_id: str) -> re.Pattern[bytes] | None:
    """Return an expression whose matches have a defined name in one of their groups."""
    language = get_language(language_id)
    if language is None or language.definitions is None:
        return None
    return re.compile(language.definitions.replace(b"NAME", _NAME), re.VERBOSE)
