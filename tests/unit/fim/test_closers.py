from __future__ import annotations

import pytest

from fimls.fim.closers import auto_closed


@pytest.mark.parametrize(
    ("prefix", "suffix", "expected"),
    [
        ("f(", ")", 1),
        ("f(", ")\nmore", 1),
        ("f(", ") \n", 1),
        ("x = [f(", ")]\n", 2),
        ('print("', '")\n', 2),
        ('print("a\\"', '")\n', 2),
        ("f(a)", ")\n", 0),
        ("f(", "):\n", 0),
        ("f(", "]\n", 0),
        ("f(", ", b)\n", 0),
        ("f(", "", 0),
        ("(\nf(", "))\n", 0),
        ("don't(", ")", 0),
    ],
)
def test_auto_closed(prefix: str, suffix: str, expected: int) -> None:
    """Closers count only if the cursor's line opened them and nothing else follows them."""
    assert expected == auto_closed(prefix, suffix)
