"""Closers that an editor has put behind the cursor by itself.

Typing ``f(`` leaves ``f(|)`` in most editors. In a prompt with the suffix in front, that one
bracket would change every token from the prompt's first line on, for each pair that is opened and
closed again. So the prompt leaves it out, the model closes what it opens, and post-processing keeps
the bracket from standing there twice.
"""

from __future__ import annotations

import re

_PAIRS = {"(": ")", "[": "]", "{": "}"}
_QUOTES = "\"'`"
_REST = re.compile(r"[)\]}\"'`]+[ \t]*(?=[\r\n]|$)")
_LINE_CHARS = 2000


def auto_closed(prefix: str, suffix: str) -> int:
    """How many characters of the suffix only close what the cursor's line has opened.

    0 unless nothing else stands on the rest of the line.
    """
    rest = _REST.match(suffix)
    if rest is None:
        return 0
    line = prefix[max(prefix.rfind("\n"), prefix.rfind("\r"), len(prefix) - _LINE_CHARS) + 1 :]
    expected = _expected_closers(line)
    count = 0
    while expected and count < rest.end() and suffix[count] == expected[-1]:
        expected.pop()
        count += 1
    return count if not suffix[count : rest.end()].strip() else 0


def _expected_closers(line: str) -> list[str]:
    """What closes the brackets and quotes that a line leaves open, the innermost last."""
    expected: list[str] = []
    at = 0
    while at < len(line):
        character = line[at]
        inside_quote = bool(expected) and expected[-1] in _QUOTES
        if inside_quote and character == "\\":
            at += 1
        elif expected and character == expected[-1]:
            expected.pop()
        elif not inside_quote and character in _QUOTES:
            expected.append(character)
        elif not inside_quote and character in _PAIRS:
            expected.append(_PAIRS[character])
        at += 1
    return expected
