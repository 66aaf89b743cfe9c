"""What a file imports, from the workspace and from outside. Python, JavaScript and TypeScript."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Container
from dataclasses import dataclass

from fimls.syntax import language_of

_FROM = re.compile(
    r"^[ \t]*from[ \t]+(\.*[\w.]*)[ \t]+import[ \t]+(\([^)]*\)|[^\n#]+)", re.MULTILINE
)
_IMPORT = re.compile(r"^[ \t]*import[ \t]+([\w., \t]+)", re.MULTILINE)
_SCRIPT = re.compile(r"""\bimport\s+([^'";]*?)\s*from\s*['"]([^'"]+)['"]""")
_REQUIRE = re.compile(r"""\b(?:const|let|var)\s+([^=;]+?)\s*=\s*require\(['"]([^'"]+)['"]\)""")
_WORD = re.compile(r"\w+")
_SCRIPT_ENDINGS = (".ts", ".tsx", ".js", ".jsx", ".mts", ".mjs", "/index.ts", "/index.js")
_SCRIPTS = frozenset({"javascript", "javascriptreact", "typescript", "typescriptreact"})


@dataclass(frozen=True, slots=True)
class Imports:
    """files: the workspace's files that are imported, in order, once each. inside: local names that
    come from them; outside: local names that come from elsewhere.
    """

    files: tuple[str, ...]
    inside: frozenset[str]
    outside: frozenset[str]


def imports_of(text: str, path: str, files: Container[str]) -> Imports:
    """Read the imports of a file.

    files: the workspace's, as relative paths with forward slashes. A Python module is looked for
    from each folder above the importing file, as a person's import path isn't known.
    """
    language_id = language_of(path)
    if language_id == "python":
        found = _python(text, path, files)
    elif language_id in _SCRIPTS:
        found = _script(text, path, files)
    else:
        found = []
    inside = [name for name, target in found if target is not None]
    outside = [name for name, target in found if target is None]
    targets = dict.fromkeys(target for _, target in found if target not in {None, path})
    return Imports(tuple(filter(None, targets)), frozenset(inside), frozenset(outside))


def _python(text: str, path: str, files: Container[str]) -> list[tuple[str, str | None]]:
    found: list[tuple[str, str | None]] = []
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


def _script(text: str, path: str, files: Container[str]) -> list[tuple[str, str | None]]:
    found: list[tuple[str, str | None]] = []
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
