"""What isn't worth showing, and where nothing is asked for."""

from __future__ import annotations

import pytest

from fimls.postprocess import MID_LINE, may_complete_here
from fimls.postprocess.worth import drop_trifles
from tests.unit.postprocess.cursor import context, draft


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("f(a¦)\n", ")", ""),
        ("f(a¦\n", ")", ")"),
        ("x = 1¦\n", ";", ""),
        ("x = 'a¦\n", "'", "'"),
        ("x = ''¦\n", "'", ""),
        ("if (a) {\n  b();\n¦\n", "}", "}"),
        ("if (a) {\n  b();\n¦\n}\n", "}", ""),
        ("if a¦\n", ":", ":"),
        ("f(¦)\n", "a", "a"),
        ("x = ¦\n", "0", "0"),
    ],
)
def test_drop_trifles(code: str, text: str, expected: str) -> None:
    """Closing brackets and quotes alone are shown only where they close something."""
    assert expected == drop_trifles(draft(text, code, "javascript"))


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("x = ¦\ny", None),
        ("x = ¦", None),
        ("f(¦)", None),
        ("f(g(¦));", None),
        ('f("¦")', None),
        ("if (¦) {", None),
        ("if f(¦):\r\n    pass", None),
        ("x = [¦] ,", None),
        ("x = ¦ + 1", MID_LINE),
        ("na¦me", MID_LINE),
        ("f(¦, b)", MID_LINE),
        ("¦x = 1", MID_LINE),
    ],
)
def test_may_complete_here(code: str, expected: str | None) -> None:
    """In front of code on the line nothing is asked for; closers and a header's end don't count."""
    assert expected == may_complete_here(context(code))
