"""The names in a text, and the names that a language itself provides."""

from __future__ import annotations

import re
from functools import cache

from fimls.syntax.languages import get_language
from fimls.syntax.wordlists import BUILTINS, EXTENDS, KEYWORDS

_IDENTIFIER = re.compile(r"[^\W\d]\w*")


def identifiers(text: str, language_id: str = "") -> list[str]:
    """Return the identifiers of a text in order, repeated as they are, without keywords.

    Words in comments and strings count too: they say what code is about. Where the language is
    unknown or not named, keywords count as identifiers.
    """
    keywords = _keywords(_family(language_id))
    return [word for word in _IDENTIFIER.findall(text) if word not in keywords]


@cache
def known_words(language_id: str) -> frozenset[str]:
    """Return the names that need no definition: keywords, builtins, and builtin types' methods.

    Empty for a language whose names the word lists don't have.
    """
    family = _family(language_id)
    builtins = _python_builtins() if family == "python" else _with_parent(BUILTINS, family)
    return _keywords(family) | builtins


def _family(language_id: str) -> str:
    language = get_language(language_id)
    return language.family if language else ""


@cache
def _keywords(family: str) -> frozenset[str]:
    if family == "python":
        import keyword

        return frozenset(keyword.kwlist)
    return _with_parent(KEYWORDS, family)


@cache
def _python_builtins() -> frozenset[str]:
    """Return what this interpreter has: builtins, and the attributes of the types they hold."""
    import builtins
    import keyword
    import types

    values = [*vars(builtins).values(), *vars(types).values()]
    attributes = {name for value in values if isinstance(value, type) for name in dir(value)}
    module = {"__all__", "__annotations__", "__file__", "__main__", "__path__", "__version__"}
    convention = {"self", "cls", "args", "kwargs"}
    return frozenset({*dir(builtins), *keyword.softkwlist, *attributes, *module, *convention})


def _with_parent(lists: dict[str, str], family: str) -> frozenset[str]:
    """Return a family's words and those of the family it extends."""
    words = set(lists.get(family, "").split())
    if family in EXTENDS:
        words |= _with_parent(lists, EXTENDS[family])
    return frozenset(words)
