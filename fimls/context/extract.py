"""What the index keeps of one file: its words in windows of lines, and the names it defines.

By table look-ups and regular expressions over the bytes, at about 15 MB/s: a parser takes five
times as long, and is for the few files that retrieval picks.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from string import ascii_letters

from fimls.syntax.words import known_words

WINDOW_LINES = 32
"""Lines in a window: the unit of lexical retrieval. Windows don't overlap."""


# Everything but letters, digits, "_", line ends and what isn't ASCII becomes a space.
_WORD_BYTES = b"_\n" + bytes(c for c in range(128) if chr(c).isalnum()) + bytes(range(128, 256))
_SPACED = bytes(c if c in _WORD_BYTES else 0x20 for c in range(256))
_CAPITAL = re.compile(r"[A-Z]")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Contents:
    """What the index keeps of a file.

    lines: how many it has. definitions: the names it defines. windows: for each
    :data:`WINDOW_LINES` lines the words in them.
    """

    lines: int
    definitions: frozenset[str]
    windows: tuple[frozenset[str], ...]


def extract(data: bytes, language_id: str) -> Contents:
    """Look through a file's UTF-8 bytes; lines end as in :mod:`fimls.text`.

    Words that the language itself brings, single letters and small numbers are left out.
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
    """Words that say nothing: the language's own, letters and common numbers."""
    return known_words(language_id) | {*ascii_letters, "_"} | {*map(str, range(1000))}


def terms(words: Iterable[str]) -> str:
    """What the full-text index has for some words: it knows no case, so ``aB`` becomes ``a^B``."""
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


# Calls and statements that look like the head of a method.
_NOT_NAMES = frozenset(
    b" assert await case catch do else for foreach function if in new of return sizeof super switch"
    b" synchronized throw typeof using void while with yield".split(b" ")
)
# In a pattern NAME stands for this.
_NAME = rb"[A-Za-z_$\x80-\xff][\w$\x80-\xff]*"
_GENERIC = rb"""\n[ \t]*(?:(?:abstract|async|case|data|def|export|final|implicit|inline|internal
    |local|open|override|private|protected|pub|public|sealed|static|suspend)[ \t]+)*
    (?:class|def|defp|defmodule|enum|fn|fun|func|function|interface|module|object|protocol|sub
    |struct|trait|type)[ \t]+(NAME)"""
_MODIFIERS = rb"""(?:(?:abstract|async|const|default|extern|final|internal|native|override|partial
    |private|protected|public|readonly|sealed|static|synchronized|unsafe|virtual)[ \t]+)"""
_PATTERNS = {
    "python": rb"""\n(?:(?=[ \t]*[acd])[ \t]*(?:async[ \t]+)?(?:class|def)[ \t]+(NAME)
        |(?=\S)(?:type[ \t]+)?(NAME)[ \t]*(?::[^=\n]*|\[[^=\n]*\][ \t]*)?=[^=])""",
    "javascript": rb"""\n(?:[ \t]*(?:(?:abstract|async|declare|default|export)[ \t]+)*
        (?:class|enum|function\b[ \t]*\*?|interface|module|namespace|type)[ \t]+(NAME)
        |(?:export[ \t]+)?(?:declare[ \t]+)?(?:const|let|var)[ \t]+(?:enum[ \t]+)?(NAME)
        |[ \t]+(?:(?:async|get|override|private|protected|public|readonly|set|static)[ \t]+)*\*?
        (NAME)[ \t]*(?:<[^>\n]*>)?\([^;{}=\n]*\)[ \t]*(?::[^;{\n]+)?\{)""",
    "go": rb"""\n(?:func[ \t]*(?:\([^)\n]*\)[ \t]*)?(NAME)|(?:const|type|var)[ \t]+(NAME)
        |\t(NAME)[ \t]+(?:=[ \t]*iota|(?:interface|struct)[ \t]*\{))""",
    "rust": rb"""\n[ \t]*(?:pub(?:\([^)\n]*\))?[ \t]+)?
        (?:(?:async|const|default|extern(?:[ \t]+"[^"\n]*")?|unsafe)[ \t]+)*
        (?:const|enum|fn|macro_rules!|mod|static|struct|trait|type|union)[ \t]+(?:mut[ \t]+)?
        (NAME)""",
    "java": rb"""\n[ \t]*(?:"""
    + _MODIFIERS
    + rb"""*(?:class|enum|interface|@interface|namespace|record|struct)[ \t]+(NAME)
        |"""
    + _MODIFIERS
    + rb"""+(?:<[^>\n]*>[ \t]*)?(?:[\w.<>\[\],?]+[ \t]+)*(NAME)[ \t]*[(={])""",
    # A function stands at the left margin, its type before it or on the line above.
    "c": rb"""\n(?:[ \t]*\#[ \t]*define[ \t]+(NAME)
        |typedef[ \t][^\n()]*[ \t*](NAME)[ \t]*;|\}[ \t*]*(NAME)[ \t]*;
        |[ \t]*(?:typedef[ \t]+)?(?:class|enum(?:[ \t]+class)?|namespace|struct|union)[ \t]+(NAME)
        [^;=()\n{]*(?=[{\n])
        |[ \t]*using[ \t]+(NAME)[ \t]*=
        |[A-Za-z_][^\n;={}()\#"]*[ \t*&:~](NAME)[ \t]*\(|(NAME)[ \t]*\([^\n;]*(?=\n))""",
}
_FAMILIES = {
    "javascriptreact": "javascript",
    "typescript": "javascript",
    "typescriptreact": "javascript",
    "csharp": "java",
    "cpp": "c",
}
_WITHOUT_DEFINITIONS = {
    *("css", "dockerfile", "html", "json", "makefile", "markdown", "plaintext", "sql", "toml"),
    "yaml",
}


@functools.cache
def _pattern(language_id: str) -> re.Pattern[bytes] | None:
    """One regular expression a family; each match has the name in one of its groups."""
    if language_id in _WITHOUT_DEFINITIONS:
        return None
    pattern = _PATTERNS.get(_FAMILIES.get(language_id, language_id), _GENERIC)
    return re.compile(pattern.replace(b"NAME", _NAME), re.VERBOSE)
