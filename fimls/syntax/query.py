"""Run a language's query file over a tree.

What the captures in ``languages/*.scm`` mean. Definitions: ``@name`` is the name's node, ``@body``
the body's, ``@close`` the word that ends it; the definition itself is one of

- ``@function``, ``@class``, ``@type``, ``@constant``; a function directly in a class, a type or an
  ``@impl`` is a method, and a constant counts where it is not inside any of these;
- ``@method``: one wherever it is; ``@container`` names its class where that is elsewhere;
- ``@declarator``: C's part of a function that has the name; the definition is what it belongs to.

Scopes, which contain definitions but are none: ``@impl`` and ``@namespace`` with a ``@name``, and
``@local`` for code without a name, such as a callback.

Imports. Matches with the same ``@module`` node are one import. What it binds:

- ``@import`` a name, ``@import.local`` what the file calls it; ``@import.default`` the default
  export; ``@import.all`` every name;
- ``@module.local`` what the file calls the module; ``@module.reached``: the same as the module is
  written; ``@module.last``: the last part of the module's path;
- ``@use`` is a node that says all of this in its own way: ``uses`` of the language reads it.

Captures that start with an underscore serve predicates only, and these are ``#starts-with?`` and
``#not-starts-with?``: a node's source against a string. (The library's own read the source through
the parser's callback, 0.2 ms a node.)
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import tree_sitter

Captures = dict[str, "list[tree_sitter.Node]"]
"""One match: the nodes by the names of their captures, without the ``@``."""


def matches(tree: tree_sitter.Tree, source: bytes, query: str) -> list[Captures]:
    """Return what a query file finds in a tree, in the order of the matches' starts.

    query: its name without ``.scm``. source: the UTF-8 that the tree was parsed from.
    """
    from tree_sitter import QueryCursor

    def holds(
        predicate: str,
        args: list[tuple[str, Literal["capture", "string"]]],
        pattern_index: int,  # noqa: ARG001  tree-sitter's signature
        captures: Captures,
    ) -> bool:
        (capture, _), (start, _) = args
        if predicate not in {"starts-with?", "not-starts-with?"}:
            raise ValueError(f"unknown predicate #{predicate} in {query}.scm")
        starts = source.startswith(start.encode(), captures[capture][0].start_byte)
        return starts == (predicate == "starts-with?")

    cursor = QueryCursor(_query(tree.language, query))
    return [captures for _, captures in cursor.matches(tree.root_node, holds)]


def text_of(node: tree_sitter.Node, source: bytes) -> str:
    """Return a node's source; a lone surrogate in it becomes U+FFFD."""
    return source[node.start_byte : node.end_byte].decode("utf-8", "replace")


@cache
def _query(language: tree_sitter.Language, name: str) -> tree_sitter.Query:
    from tree_sitter import Query

    source = files("fimls.syntax.languages").joinpath(f"{name}.scm").read_text("utf-8")
    return Query(language, source)
