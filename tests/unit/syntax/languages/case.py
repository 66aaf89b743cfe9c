"""What a language's test says of it; ``test_languages.py`` holds the language to it."""

from __future__ import annotations

from dataclasses import dataclass

from fimls.syntax import Import


@dataclass(frozen=True, kw_only=True)
class Case:
    """A language. In code ``|`` is the cursor."""

    language_id: str
    function: list[str]
    """An empty function's lines: before the body, the body's with the cursor, after it."""
    broken: str = "} ( 12 class"
    """What is no code."""
    source: str
    """A file with all that follows."""
    definitions: str
    """Kind, container and name of each, as "method:Order.total"."""
    imports: list[Import]
    skeletons: dict[str, str]
    """Definitions of the file without their bodies."""
    known: str
    """Some of the words that need no definition."""
    files: dict[str, str]
    """A workspace."""
    path: str
    """A file of it with this code, and the snippets that belong there."""
    code: str
    snippets: dict[str, str]
    generated: list[tuple[str, str, str]]
    """Code, what a model goes on with, and how much of that belongs to the cursor's block."""
    bodies: set[str]
    """What stands in the bodies of the file's functions of two lines or more."""
