"""Whether a function's body needs another file of the workspace.

It does when it uses a name imported from one, or an attribute (in languages without imports by
name: any name) that other files define and its own doesn't. Found with regular expressions, on
purpose not with the code that retrieves context: what is measured must not sort its own results.
"""

from __future__ import annotations

import asyncio
import builtins
import io
import logging
import pathlib
import re
from collections import Counter
from collections.abc import Mapping

from fimls.syntax import language_of
from training.evaluation.typing.imports import imports_of

_IDENTIFIER = r"[^\W\d]\w*"
_LINK = r"(?:\.|->|::)"
_USED = re.compile(rf"(?:({_IDENTIFIER})?\s*({_LINK})\s*)?\b({_IDENTIFIER})")
_TEXT = re.compile(
    r"\"\"\".*?\"\"\"|'''.*?'''|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|`[^`]*`"
    r"|/\*.*?\*/|//[^\n]*|(?m:^\s*#[^\n]*|\s#\s[^\n]*)",
    re.DOTALL,
)
_PYTHON = re.compile(
    rf"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+({_IDENTIFIER})"
    rf"|\bself\.({_IDENTIFIER})[ \t]*(?::[^=\n]+)?=[^=]"
    rf"|^({_IDENTIFIER})[ \t]*(?::[^=\n]+)?=[^=]"
    rf"|^(?:\t|[ ]{{2,4}})({_IDENTIFIER})[ \t]*(?::[ \t]*[^,\n]*[^,({{\[\n]|=[^=\n,]+)$",
    re.MULTILINE,
)
_BRACES = re.compile(
    rf"\b(?:class|enum|fn|func|function|interface|mod|struct|trait|type|union)\s+({_IDENTIFIER})"
    rf"|^func\s*\([^)\n]*\)\s*({_IDENTIFIER})"
    rf"|^[ \t]*(?:[\w<>,*&:\[\]]+\s+)+[*&]*({_IDENTIFIER})\s*\([^;{{}}]*\)[^;{{}}=]*\{{"
    rf"|^[ \t]+(?:[\w<>,*&\[\]]+\s+)*({_IDENTIFIER})\s*(?::[^;\n]*|\s[\w.\[\]*]+)?[;,]?$",
    re.MULTILINE,
)
# Methods that everything has: a workspace that defines its own `get` explains no other `.get`.
_COMMON = frozenset(
    name
    for kind in (
        *(str, bytes, list, dict, set, tuple, int, float, BaseException, io.TextIOWrapper),
        *(pathlib.Path, re.Pattern, re.Match, logging.Logger, Counter),
        *(asyncio.Task, asyncio.Queue, asyncio.Lock, asyncio.AbstractEventLoop),
    )
    for name in dir(kind)
) | frozenset(dir(builtins))
_COMMON |= frozenset(  # and those of other languages' standard libraries
    "Error Println Printf Sprintf String add apply as_str bind "  # noqa: SIM905 - shorter
    "catch charAt clone collect concat contains delete each "
    "entries equals err every expect fetch filter finally first "
    "flat forEach hasOwnProperty hashCode has includes indexOf "
    "into into_iter iter last len length log main map match name "
    "new next ok path push reduce resolve result run self set "
    "shift size slice some splice stringify substring text then "
    "this toString to_string trim type unwrap url value valueOf".split()
)


class Names:
    """Which file of a workspace defines which name. sources: path -> text."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = sources
        self._defined = {path: _definitions(text, path) for path, text in sources.items()}
        self._files = Counter(name for names in self._defined.values() for name in names)

    def needs_other_file(self, path: str, start: int, end: int) -> bool:
        """Whether ``text[start:end]`` of a file uses what only other files define."""
        text = self._sources[path]
        body = _TEXT.sub(" ", text[start:end])
        python = language_of(path) == "python"
        imports = imports_of(text, path, self._sources)
        own = self._defined[path]
        for base, link, name in _USED.findall(body):
            bare = base if link else name
            if bare in imports.inside or (not python and self._is_elsewhere(bare, own)):
                return True
            if link and base not in imports.outside and self._is_elsewhere(name, own):
                return True
        return False

    def _is_elsewhere(self, name: str, own: frozenset[str]) -> bool:
        return name not in own and name not in _COMMON and self._files[name] > 0


def _definitions(text: str, path: str) -> frozenset[str]:
    pattern = _PYTHON if language_of(path) == "python" else _BRACES
    return frozenset(name for found in pattern.findall(text) for name in found if name)
