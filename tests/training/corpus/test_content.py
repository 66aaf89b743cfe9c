from __future__ import annotations

import pytest

from fimls.syntax import parse
from training.corpus import is_broken
from training.corpus.content import is_data

LINE = "value = compute(alpha, beta)\n"


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        (LINE * 100, False),
        (LINE * 100 + "x = = 1\n", False),
        ((LINE * 3 + "x = = 1 )\n") * 25, True),
    ],
)
def test_a_few_errors_are_forgiven(text: str, *, broken: bool) -> None:
    """One in 50 lines may be wrong: grammars don't know every new syntax."""
    tree = parse(text, "python", 10_000)
    assert tree is not None
    assert broken == is_broken(tree)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        (LINE * 100, False),
        ("# \u4e16\u754c\u4f60\u597d\nprint('\u4e16\u754c')\n" * 20, False),
        ("X = [\n" + "0x1f, 0x2e, 12, 99, 104,\n" * 50 + "]\n", True),
        ("+---+---+---+\n|   |   |   |\n" * 30, True),
        ("X = [\n" + '    "a sentence with words in it",\n' * 1000 + "]\n", True),
    ],
)
def test_tables_are_data(text: str, *, data: bool) -> None:
    """Digits, drawings and long lists of strings are data; other alphabets are letters."""
    assert data == is_data(text.encode())
