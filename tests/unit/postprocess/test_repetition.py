"""Loops in a completion, and completions that only say what stands above."""

from __future__ import annotations

import pytest

from fimls.postprocess.repetition import cut_repetition, drop_lines_above
from tests.unit.postprocess.cursor import draft


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a()\nfoo(bar)\nfoo(bar)\nfoo(bar)\nb()\n", "a()\nfoo(bar)"),
        ("foo(bar)\nfoo(bar)\nb()\n", "foo(bar)\nfoo(bar)\nb()\n"),
        ("foo(bar)\n\nfoo(bar)\n\nfoo(bar)\n", "foo(bar)"),
        ("if foo:\n  b()\n" * 3 + "c", "if foo:\n  b()"),
        ("foo(1)\nfoo(2)\nfoo(3)\n", "foo(1)\nfoo(2)\nfoo(3)\n"),
        ("foo(bar)\nfoo(bar)\nfoo(b", "foo(bar)\nfoo(bar)\nfoo(b"),
        ("0,\n0,\n0,\n0,\n", "0,\n0,\n0,\n0,\n"),
        ("}\n}\n}\n", "}\n}\n}\n"),
    ],
    ids=["line", "twice", "blank lines", "group", "differ", "unfinished", "data", "closers"],
)
def test_cut_repetition(text: str, expected: str) -> None:
    """A group of lines that says something and stands three times in a row is kept once."""
    assert expected == cut_repetition(draft(text, "¦"))


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("total = 1\n¦\n", "total = 1\n", ""),
        ("a = 1\n    total = 2\n    ¦\n", "total = 2", ""),
        ("foo(bar)\nspam(eggs)\n¦", "foo(bar)\nspam(eggs)", ""),
        ("foo(bar)\nspam(eggs)\n¦", "foo(bar)\nspam(ham)", "foo(bar)\nspam(ham)"),
        ("i += 1\n¦", "i += 1", "i += 1"),
        ("total = total\ntotal = ¦", "total", "total"),
        ("total = 1\n\n¦", "total = 1", "total = 1"),
        ("¦", "total = 1", "total = 1"),
    ],
)
def test_drop_lines_above(code: str, text: str, expected: str) -> None:
    """Lines that say something and stand right above already are not suggested again."""
    assert expected == drop_lines_above(draft(text, code))
