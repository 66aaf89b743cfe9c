"""Imports in a tree: which modules a file uses, by which names, and where they lead."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from fimls.syntax.language import Grammar
from fimls.syntax.languages import get_language
from fimls.syntax.modules import Import, Lister, Target
from fimls.syntax.query import Captures, text_of

_LAST_PART = re.compile(r"([\w-]+)(?:/v\d+)?$")  # a Go module's major version is no name


@dataclass(slots=True)
class _Growing:
    """An import under construction: dict keys keep order and drop repetitions."""

    module: str
    names: dict[tuple[str, str], None] = field(default_factory=dict)
    alias: str = ""

    def done(self) -> Import:
        return Import(self.module, tuple(self.names), self.alias)


def targets(found: Import, path: str, language_id: str, files: Lister) -> list[Target]:
    """Return where an import statement of the file ``path`` leads in the workspace."""
    language = get_language(language_id)
    resolve = language.resolve if language else None
    return list(resolve(found, path, files)) if resolve else []


def find_imports(
    matches: Iterable[Captures], source: bytes, grammar: Grammar
) -> tuple[tuple[Import, ...], frozenset[int]]:
    """Return the imports among a query's matches, and the bytes where names begin that they bind.

    Imports are in document order; each module that a ``@use`` names is one.
    """
    growing: dict[tuple[int, str], _Growing] = {}
    bound: set[int] = set()
    for captures in matches:
        if "use" in captures and grammar.uses is not None:
            node = captures["use"][0]
            for module, name, local in grammar.uses(node, source):
                use = growing.setdefault((node.start_byte, module), _Growing(module))
                if name:
                    use.names[name, local] = None
                else:
                    use.alias = local
        elif "module" in captures:
            node = captures["module"][0]
            module = text_of(node, source).strip("\"'`<>")
            _add(growing.setdefault((node.start_byte, ""), _Growing(module)), captures, source)
            local_nodes = captures.get("module.local", [])
            bound.update(node.start_byte for node in local_nodes)
    ordered = sorted(growing.items(), key=lambda item: item[0][0])
    return tuple(each.done() for _, each in ordered), frozenset(bound)


def _add(growing: _Growing, captures: Captures, source: bytes) -> None:
    """Add what one match says about an import."""
    if "module.local" in captures:
        growing.alias = text_of(captures["module.local"][0], source)
    elif "module.reached" in captures:
        growing.alias = growing.module
    elif "module.last" in captures:
        last = _LAST_PART.search(growing.module)
        growing.alias = last[1] if last else ""
    if "import.all" in captures:
        growing.names["*", "*"] = None
    for node in captures.get("import.default", ()):
        growing.names["default", text_of(node, source)] = None
    for node in captures.get("import", ()):
        name = text_of(node, source)
        local = captures.get("import.local")
        growing.names[name, text_of(local[0], source) if local else name] = None
