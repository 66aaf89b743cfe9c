"""The attributes that a Python class gets in its constructor: fields that stand nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from fimls.context.files import SourceFile
from fimls.syntax.outline import Definition

_VALUE_CHARS_MAX = 60
_ASSIGNED = re.compile(
    r"^[ \t]+self\.(?P<name>\w+)(?:\s*:\s*(?P<type>[^=\n]+?))?\s*=\s*(?P<value>[^\n]+)$",
    re.MULTILINE,
)
_PARAMETER = re.compile(
    r"\b(?P<name>\w+)\s*:\s*(?P<type>[^,=()\[\n]+(?:\[[^=\n]*?\](?=\s*[,=)\n]))?)"
)


def attributes(file: SourceFile, methods: Iterable[Definition]) -> Iterator[str]:
    """Return a line "name: type", or "name = value", for each attribute that ``__init__`` sets."""
    for method in methods:
        if method.name == "__init__" and file.language_id == "python":
            yield from _of_constructor(file.text, method)


def _of_constructor(text: str, method: Definition) -> Iterator[str]:
    line = text.rfind("\n", 0, method.header) + 1
    indent = text[line : method.header]
    parameters = {
        match["name"]: match["type"].strip()
        for match in _PARAMETER.finditer(text, method.header, method.body)
    }
    seen: set[str] = set()
    for match in _ASSIGNED.finditer(text, method.body - len(indent), method.end):
        name, value = match["name"], match["value"]
        if name in seen:
            continue
        seen.add(name)
        given = parameters.get(name if re.search(rf"\b{name}\b", value) else value)
        if declared := match["type"] or given:
            yield f"{indent}{name}: {declared}"
        elif len(value) <= _VALUE_CHARS_MAX:
            yield f"{indent}{name} = {value}"
