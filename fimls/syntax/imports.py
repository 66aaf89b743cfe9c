"""Imports in a tree: which modules a file uses, and by which names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fimls.syntax.query import Captures, text_of

if TYPE_CHECKING:
    import tree_sitter

ALL = ("*", "*")
_LAST_PART = re.compile(r"([\w-]+)(?:/v\d+)?$")  # a Go module's major version is no name


@dataclass(frozen=True, slots=True)
class Import:
    """One module that a file uses.

    module: as written, without quotes: "a.b", ".models", "./util", "fmt", "crate::x", "foo.h". A
        Java class is a module: "java.util.List". Rust's ``mod x;`` is "self::x".
    names: pairs of an imported name and what the file calls it; ("*", "*") for all, as C's includes
        do; ("default", local) for a default export; () where only the module itself is imported.
    alias: how the file writes the module itself ("np", "a.b", "fmt"), "" where it doesn't.
    """

    module: str
    names: tuple[tuple[str, str], ...]
    alias: str


@dataclass(slots=True)
class _Growing:
    """An import under construction: dict keys keep order and drop repetitions."""

    module: str
    names: dict[tuple[str, str], None] = field(default_factory=dict)
    alias: str = ""

    def done(self) -> Import:
        return Import(self.module, tuple(self.names), self.alias)


def find_imports(
    matches: Iterable[Captures], source: bytes
) -> tuple[tuple[Import, ...], frozenset[int]]:
    """Return the imports among a query's matches, and the bytes where names begin that they bind.

    Imports stand in document order; each module of a Rust ``use`` is one.
    """
    growing: dict[tuple[int, str], _Growing] = {}
    bound: set[int] = set()
    for captures in matches:
        if "use" in captures:
            tree = captures["use"][0]
            for module, name, local in _use(tree, source, ""):
                key = tree.start_byte, module
                _bind(growing.setdefault(key, _Growing(module)), name, local)
        elif "module.file" in captures:
            node = captures["module.file"][0]
            name = text_of(node, source)
            growing[node.start_byte, ""] = _Growing(f"self::{name}", alias=name)
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
        growing.names[ALL] = None
    for node in captures.get("import.default", ()):
        growing.names["default", text_of(node, source)] = None
    for node in captures.get("import", ()):
        name = text_of(node, source)
        local = captures.get("import.local")
        growing.names[name, text_of(local[0], source) if local else name] = None


def _bind(growing: _Growing, name: str, local: str) -> None:
    """Bind a name of a Rust module; "self" is the module itself."""
    if name == "self":
        growing.alias = local if local != "self" else growing.module.rpartition("::")[2]
    else:
        growing.names[name, local] = None


def _use(node: tree_sitter.Node, source: bytes, path: str) -> Iterator[tuple[str, str, str]]:
    """Yield module, name and local name of each leaf of a Rust ``use`` below ``path``."""
    if node.type == "use_list":
        for child in node.named_children:
            yield from _use(child, source, path)
    elif node.type == "scoped_use_list":
        prefix = node.child_by_field_name("path")
        items = node.child_by_field_name("list")
        if items is not None:
            yield from _use(items, source, _joined(path, text_of(prefix, source) if prefix else ""))
    elif node.type == "use_wildcard":
        yield _joined(path, text_of(node, source).removesuffix("*").removesuffix("::")), *ALL
    elif node.type == "use_as_clause":
        target, alias = node.child_by_field_name("path"), node.child_by_field_name("alias")
        if target is not None and alias is not None:
            module, name = _split(_joined(path, text_of(target, source)))
            yield module, name, text_of(alias, source)
    elif node.type in {"identifier", "scoped_identifier", "self", "crate", "super"}:
        module, name = _split(_joined(path, text_of(node, source)))
        yield module, name, name


def _joined(path: str, rest: str) -> str:
    return f"{path}::{rest}" if path and rest else path or rest


def _split(path: str) -> tuple[str, str]:
    """Return a path's module and name; a path of one part is a module itself."""
    module, _, name = path.rpartition("::")
    return (module, name) if module else (name, "self")
