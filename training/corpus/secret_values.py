"""Secrets in a text, replaced so that the code around them stays code.

:func:`fimls.context.secrets.secret_lines` says which lines hold one. On such a line the literal is
looked for whose replacement satisfies it; quotes stay where they are.
"""

from __future__ import annotations

import re

from fimls.context.secrets import secret_lines
from training.corpus.suspects import secret_suspects

_PLACEHOLDER = "<secret>"  # angle brackets tell detect-secrets that it is a template
_LITERAL = re.compile(
    r"(?<=\")(?:[^\"\\\n]|\\.){3,}(?=\")|(?<=')(?:[^'\\\n]|\\.){3,}(?=')|(?<=`)[^`\n]{3,}(?=`)"
)
_RUN = re.compile(r"[\w+/=-]{16,}|(?<=:)[^\s:/@\"']+(?=@)")  # or the password in an address
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]+")
_VALUE = re.compile(r"[^\W_]{4,}")


def replace_secrets(text: str, path: str = "") -> tuple[str, int]:
    """Return a text without its secrets, and on how many lines there were some.

    path: its suffix says whether a value needs quotes. The first call takes 0.3 s.
    """
    seen = text.replace("\r", " ")  # the only other line end; lines are counted alike without it
    if "PRIVATE KEY" in text or "Private-Lines" in text:  # these span lines
        numbers = list(secret_lines(seen, path))
    else:
        order = _lines_of(text, sorted(secret_suspects(text)))
        if not order:
            return text, 0
        suspects = seen.split("\n")
        found = secret_lines("\n".join(suspects[number] for number in order), path)
        numbers = [order[number] for number in found]
    lines = text.split("\n") if numbers else []
    for number in numbers:
        lines[number] = _without_secret(lines[number], path)
    return "\n".join(lines) if numbers else text, len(numbers)


def _lines_of(text: str, offsets: list[int]) -> list[int]:
    """Return the numbers of the lines that sorted offsets lie on, each once, in order."""
    numbers: list[int] = []
    line = end = 0  # text[:end] holds the ends of ``line`` lines
    for offset in offsets:
        line += text.count("\n", end, offset)
        end = offset
        if not numbers or numbers[-1] != line:
            numbers.append(line)
    return numbers


def _without_secret(line: str, path: str) -> str:
    """Replace the one value that is the secret; else all that could be; else the words."""
    if not secret_lines(line, path):  # part of a key that spans lines
        return _VALUE.sub(lambda match: "x" * len(match[0]), line)
    for start, end in _candidates(line):
        for placeholder in _placeholders(line[start:end]):
            replaced = line[:start] + placeholder + line[end:]
            if not secret_lines(replaced, path):
                return replaced
    replaced = _RUN.sub(_PLACEHOLDER, _LITERAL.sub(_PLACEHOLDER, line))
    if not secret_lines(replaced, path):
        return replaced
    # No literal: a value without quotes, or a line of a key.
    value = max(line.find("="), line.find(":"), 0)
    return line[:value] + _VALUE.sub(lambda match: "x" * len(match[0]), line[value:])


def _candidates(line: str) -> list[tuple[int, int]]:
    """Return what may be the secret, the most likely first: a part of a literal, a literal, a run.

    A run outside of literals comes last: in code it is the name of something.
    """
    literals = [match.span() for match in _LITERAL.finditer(line)][::-1]
    runs = [match.span() for match in _RUN.finditer(line)][::-1]
    inside = [run for run in runs if any(a <= run[0] and run[1] <= b for a, b in literals)]
    return [*inside, *literals, *(run for run in runs if run not in inside)]


def _placeholders(value: str) -> tuple[str, ...]:
    if _HEXADECIMAL.fullmatch(value):
        return "0" * len(value), _PLACEHOLDER
    return (_PLACEHOLDER,)
