"""Identifiers of a text, and the words a language provides."""

from __future__ import annotations

import pytest

from fimls.syntax import LANGUAGES, identifiers, known_words


def test_identifiers_in_order_with_repetitions() -> None:
    """Every name as often as it stands there; numbers and keywords are none."""
    text = "def café(a1):\n    return a1.b_2 + 3e5 if a1 else None  # _x 12ab\n"
    names = ["café", "a1", "a1", "b_2", "a1", "_x"]
    assert names == [each for each in identifiers(text, "python") if each not in {"e5", "ab"}]


def test_keywords_only_go_where_the_language_is_known() -> None:
    """Without a language a keyword counts, and one language's keyword is another's name."""
    assert ["def", "f"] == identifiers("def f")
    assert ["def", "f"] == identifiers("def f", "javascript")
    assert ["f"] == identifiers("def f", "python")
    assert ["f"] == identifiers("func f", "go")


@pytest.mark.parametrize(
    ("language_id", "known"),
    [
        ("python", "for len self strip append items __init__ ValueError"),
        ("javascript", "const console map JSON length"),
        ("jsx", "const console map"),
        ("typescriptreact", "interface Partial console keyof"),
        ("go", "func append nil string"),
        ("rust", "fn unwrap Vec iter println"),
        ("java", "class String System println"),
        ("c", "struct malloc NULL size_t"),
        ("cpp", "struct malloc template push_back std"),
    ],
)
def test_known_words(language_id: str, known: str) -> None:
    """Keywords, builtins and builtin methods are known, also by an alias and from a parent."""
    assert set(known.split()) <= known_words(language_id)
    assert "frobnicate" not in known_words(language_id)


def test_every_grammar_has_words() -> None:
    """A language with a grammar has a word list, one without has none."""
    assert {row.id for row in LANGUAGES if row.grammar} == {
        row.id for row in LANGUAGES if known_words(row.id)
    }
    assert frozenset() == known_words("no-such-language")
