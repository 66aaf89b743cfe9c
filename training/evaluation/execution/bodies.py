"""Bodies of functions in a text: where one can be taken out and another put in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from fimls.syntax import Definition, get_language, outline

_DOCSTRING = re.compile(
    r"""[rRuU]?(?:\"{3}[\s\S]*?\"{3}|'{3}[\s\S]*?'{3}|"[^"\n]*"|'[^'\n]*')"""
    r"""[ \t]*(?:\#.*)?(?:\n|\Z)"""
)
_NOTHING = re.compile(r"(?:pass|\.\.\.|raise NotImplementedError\b.*)?")


@dataclass(frozen=True, slots=True)
class Body:
    """A function's body: ``text[start:end]`` (code points) without docstring and outer white space.

    name: with its class. first_line, last_line: of the whole function, decorators included, from 1.
    """

    name: str
    start: int
    end: int
    first_line: int
    last_line: int
    trivial: bool

    def lines(self, text: str) -> int:
        """Return how many lines it has."""
        return text.count("\n", self.start, self.end) + 1


def find_bodies(text: str, language_id: str) -> Iterator[Body]:
    """Yield the body of every function and method, in document order; none without a grammar."""
    found = outline(text, language_id)
    language = get_language(language_id)
    if found is None or language is None:
        return
    for definition in found.definitions:
        if definition.kind not in {"function", "method"} or definition.body == definition.end:
            continue
        start, end = _inside(text, definition, braces=not language.indented)
        written = text[start:end]
        start += len(written) - len(written.lstrip())
        end = max(start, start + len(written.strip()))
        yield Body(
            name=f"{definition.container}.{definition.name}".lstrip("."),
            start=start,
            end=end,
            first_line=text.count("\n", 0, definition.start) + 1,
            last_line=text.count("\n", 0, definition.end) + 1,
            trivial=_NOTHING.fullmatch(text[start:end]) is not None,
        )


def innermost(bodies: list[Body], line: int) -> Body | None:
    """Return the innermost function around a line."""
    around = [body for body in bodies if body.first_line <= line <= body.last_line]
    return max(around, key=lambda body: (body.first_line, -body.last_line), default=None)


def _inside(text: str, definition: Definition, *, braces: bool) -> tuple[int, int]:
    if braces:
        opened = text.startswith("{", definition.body)
        closed = text.rfind("}", definition.body, definition.end)
        return (definition.body + 1, closed) if opened and closed > 0 else (definition.body,) * 2
    docstring = _DOCSTRING.match(text, definition.body, definition.end)
    return (docstring.end() if docstring else definition.body), definition.end
