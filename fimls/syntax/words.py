"""The names in a text, and the names that a language itself provides."""

from __future__ import annotations

import re
from functools import cache

from fimls.syntax.languages import get_language

_IDENTIFIER = re.compile(r"[^\W\d]\w*")


def identifiers(text: str, language_id: str = "") -> list[str]:
    """Return the identifiers of a text in order, repeated as they are, without keywords.

    Words in comments and strings count too: they say what code is about. Where the language is
    unknown or not named, keywords count as identifiers.
    """
    keywords = _keywords(language_id)
    return [word for word in _IDENTIFIER.findall(text) if word not in keywords]


@cache
def known_words(language_id: str) -> frozenset[str]:
    """Return the names that need no definition: keywords, builtins, and builtin types' methods.

    Empty for a language whose row doesn't list them.
    """
    language = get_language(language_id)
    if language is None:
        return frozenset()
    builtins = language.builtins
    found = builtins.split() if isinstance(builtins, str) else builtins()
    return _keywords(language_id) | frozenset(found)


@cache
def _keywords(language_id: str) -> frozenset[str]:
    language = get_language(language_id)
    return frozenset(language.keywords.split()) if language else frozenset()
