"""A completion is indented as its file is."""

from __future__ import annotations

import pytest

from fimls.postprocess.indentation import match_indentation
from tests.unit.postprocess.cursor import draft


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        pytest.param(
            "func f() {\n\t¦\n}\n",
            "if a {\n        b()\n    }",
            "if a {\n\t\tb()\n\t}",
            id="spaces in a file of tabs",
        ),
        pytest.param(
            "func f() {\n\t¦\n}\n",
            "if a {\n    b()\n  }",
            "if a {\n\t\tb()\n\t}",
            id="two spaces a level",
        ),
        pytest.param(
            "def f():\n    ¦\n",
            "if a:\n\t\tb()\n\treturn",
            "if a:\n        b()\n    return",
            id="tabs in a file of spaces",
        ),
        pytest.param(
            "if (a) {\n  if (b) {\n    ¦\n",
            "if (c) {\n\t\t\td();\n",
            "if (c) {\n      d();\n",
            id="the file's two spaces",
        ),
        pytest.param(
            "func f() {\n\ta()\n¦}\n", "    b()\n", "\tb()\n", id="the first line at the margin"
        ),
        pytest.param("def f():\n    x = ¦\n", "\t1\n    y", "\t1\n    y", id="not inside a line"),
        pytest.param("\ta\n    b\n¦", "\tc\n    d", "\tc\n    d", id="a mixed file stays mixed"),
        pytest.param("a = 1\n¦", "if b:\n\tc()", "if b:\n\tc()", id="a file without indentation"),
        pytest.param(
            "def f():\n\t¦\n", "g(a,\n\t  b)", "g(a,\n\t  b)", id="alignment behind tabs stays"
        ),
    ],
)
def test_match_indentation(code: str, text: str, expected: str) -> None:
    """Tabs become spaces and spaces tabs where the file has only the others."""
    assert expected == match_indentation(draft(text, code))
