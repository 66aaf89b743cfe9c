"""What a function depends on: the files that its file imports, and whether it needs one of them.

A body needs another file when it uses a name imported from one, or an attribute (in languages
without imports by name: any name) that other files define and its own doesn't. Found with regular
expressions, on purpose not with the code that retrieves context: what is measured must not sort its
own results.
"""

from __future__ import annotations

import asyncio
import builtins
import io
import logging
import pathlib
import posixpath
import random
import re
from collections import Counter
from collections.abc import Container, Mapping

from fimls.syntax import language_of

Imports = list[tuple[str, str | None]]
"""Local names in order, each with the file of the workspace that it comes from, if any."""

_MOST_BESIDE = 3
_MOST_IMPORTED = 2

_FROM = re.compile(
    r"^[ \t]*from[ \t]+(\.*[\w.]*)[ \t]+import[ \t]+(\([^)]*\)|[^\n#]+)", re.MULTILINE
)
_IMPORT = re.compile(r"^[ \t]*import[ \t]+([\w., \t]+)", re.MULTILINE)
_SCRIPT = re.compile(r"""\bimport\s+([^'";]*?)\s*from\s*['"]([^'"]+)['"]""")
_REQUIRE = re.compile(r"""\b(?:const|let|var)\s+([^=;]+?)\s*=\s*require\(['"]([^'"]+)['"]\)""")
_WORD = re.compile(r"\w+")
_SCRIPT_ENDINGS = (".ts", ".tsx", ".js", ".jsx", ".mts", ".mjs", "/index.ts", "/index.js")
_SCRIPTS = frozenset({"javascript", "javascriptreact", "typescript", "typescriptreact"})
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
# Everything has these methods: a workspace that defines its own `get` explains no other `.get`.
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


def imports_of(text: str, path: str, files: Container[str]) -> Imports:
    """Read the imports of a file: Python, JavaScript and TypeScript.

    files: the workspace's, as relative paths with forward slashes. A Python module is searched in
    each folder above the importing file, since the import path isn't known.
    """
    language_id = language_of(path)
    if language_id == "python":
        return _python(text, path, files)
    return _script(text, path, files) if language_id in _SCRIPTS else []


def neighbours(path: str, sources: Mapping[str, str], chance: random.Random) -> tuple[str, ...]:
    """Choose up to three files that an editor would have open too.

    Two that ``path`` imports, the others from its folder.
    """
    targets = (target for _, target in imports_of(sources[path], path, sources))
    imported = [target for target in dict.fromkeys(targets) if target not in {None, path}]
    folder = posixpath.dirname(path)
    siblings = [
        other
        for other in sources
        if other != path and posixpath.dirname(other) == folder and other not in imported
    ]
    chosen = chance.sample(imported, min(len(imported), _MOST_IMPORTED))
    chosen += chance.sample(siblings, min(len(siblings), _MOST_BESIDE - len(chosen)))
    return tuple(chosen)


class Names:
    """Which file of a workspace defines which name. sources: path -> text."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = sources
        self._defined = {path: _definitions(text, path) for path, text in sources.items()}
        self._files = Counter(name for names in self._defined.values() for name in names)

    def needs_other_file(self, path: str, start: int, end: int) -> bool:
        """Whether ``text[start:end]`` of a file uses a name that only other files define."""
        text = self._sources[path]
        body = _TEXT.sub(" ", text[start:end])
        python = language_of(path) == "python"
        imports = imports_of(text, path, self._sources)
        inside = {name for name, target in imports if target is not None}
        outside = {name for name, target in imports if target is None}
        own = self._defined[path]
        for base, link, name in _USED.findall(body):
            bare = base if link else name
            if bare in inside or (not python and self._is_elsewhere(bare, own)):
                return True
            if link and base not in outside and self._is_elsewhere(name, own):
                return True
        return False

    def _is_elsewhere(self, name: str, own: frozenset[str]) -> bool:
        return name not in own and name not in _COMMON and self._files[name] > 0


def _definitions(text: str, path: str) -> frozenset[str]:
    pattern = _PYTHON if language_of(path) == "python" else _BRACES
    return frozenset(name for found in pattern.findall(text) for name in found if name)


def _python(text: str, path: str, files: Container[str]) -> Imports:
    found: Imports = []
    for module, names in _FROM.findall(text):
        for item in names.strip("() \t\n").split(","):
            words = _WORD.findall(item.partition("#")[0])
            if words:
                dot = "" if module.endswith(".") else "."
                target = _module(f"{module}{dot}{words[0]}", path, files)
                found.append((words[-1], target or _module(module, path, files)))
    for modules in _IMPORT.findall(text):
        for item in modules.split(","):
            module, _, alias = item.partition(" as ")
            local = alias.strip() or module.strip().partition(".")[0]
            if local:
                found.append((local, _module(module.strip(), path, files)))
    return found


def _module(module: str, path: str, files: Container[str]) -> str | None:
    """Return the file of a dotted module name, or None for one from outside."""
    name = module.lstrip(".")
    dots = len(module) - len(name)
    folder = posixpath.dirname(path)
    if dots:
        for _ in range(dots - 1):
            folder = posixpath.dirname(folder)
        folders = [folder]
    else:
        folders = [folder]
        while folder:
            folder = posixpath.dirname(folder)
            folders.append(folder)
        folders.append("src")
    inner = name.replace(".", "/")
    for base in folders:
        stem = posixpath.join(base, inner).rstrip("/")
        for candidate in (f"{stem}.py", f"{stem}/__init__.py"):
            if candidate in files:
                return candidate
    return None


def _script(text: str, path: str, files: Container[str]) -> Imports:
    found: Imports = []
    for names, module in (*_SCRIPT.findall(text), *_REQUIRE.findall(text)):
        target = None
        if module.startswith("."):
            stem = posixpath.normpath(posixpath.join(posixpath.dirname(path), module))
            stems = (stem, stem.removesuffix(".js"))
            candidates = [stem, *(one + ending for one in stems for ending in _SCRIPT_ENDINGS)]
            target = next((one for one in candidates if one in files), None)
        for item in names.strip("{} \t\n").split(","):
            words = _WORD.findall(item)
            if words:
                found.append((words[-1], target))
    return found
