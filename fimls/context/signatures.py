"""Headers of functions on one line, as short as they can say what a caller needs."""

from __future__ import annotations

import re

from fimls.context.files import SourceFile, remembered
from fimls.syntax import get_language
from fimls.syntax.definitions import Definition
from fimls.syntax.outline import skeleton

_SIGNATURE_CHARS_MAX, _PARAMETER_CHARS_MAX = 160, 24


@remembered
def signature(file: SourceFile, definition: Definition) -> str:
    """Return a function's header with a mark for its body.

    Its docstring would take as many tokens as another signature, which says more.
    """
    lines = skeleton(file.text, file.outline, definition).split("\n")
    if len(lines) > 2 and lines[-1].strip() == "...":
        lines = [*lines[:-2], "..."]
    header = joined(lines)
    language = get_language(file.language_id)
    if len(header) <= _SIGNATURE_CHARS_MAX or language is None or not language.name_first:
        return header
    return _shortened(header)


def joined(lines: list[str]) -> str:
    """Join the lines of a header or a value that was broken inside brackets."""
    line = " ".join(line.strip() for line in lines)
    return re.sub(r",? ([)\]])", r"\1", re.sub(r"([(\[]) ", r"\1", line))


def _shortened(header: str) -> str:
    """Leave long types and default values out: the names tell most."""
    opening = header.find("(")
    parameters, closing = _split(header, opening + 1)
    short = [
        parameter.partition(":")[0] if len(parameter) > _PARAMETER_CHARS_MAX else parameter
        for parameter in parameters
    ]
    return f"{header[: opening + 1]}{', '.join(short)}{header[closing:]}"


def _split(header: str, start: int) -> tuple[list[str], int]:
    """Split at the commas that stand in no brackets, up to the closing one; return that, too."""
    found, depth = [], 0
    for at in range(start, len(header)):
        character = header[at]
        if depth == 0 and character in ",)":
            found.append(header[start:at].strip())
            start = at + 1
            if character == ")":
                return found, at
        depth += (character in "([{") - (character in ")]}")
    return [*found, header[start:].strip()], len(header)
