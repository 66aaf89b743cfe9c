"""How much a single-line completion is."""

from __future__ import annotations

import pytest

from fimls.postprocess.statement import first_statement, is_first_statement_whole
from fimls.types import FinishReason, Mode
from tests.unit.postprocess.cursor import draft

LONE_LINES = [
    pytest.param("x = ¦", "a + b", "python", "a + b", id="python: one line"),
    pytest.param("x = ¦", "a + b\n\nprint()", "python", "a + b", id="python: LF"),
    pytest.param("x = ¦", "a + b\r\nprint()", "python", "a + b", id="python: CRLF"),
    pytest.param("x = ¦", "a + b\rprint()", "python", "a + b", id="python: CR"),
    pytest.param("x = ¦", "\n    return 1", "python", "", id="python: the line is finished"),
    pytest.param(
        "x = ¦",
        "'\f' + '\N{LINE SEPARATOR}'\nx",
        "python",
        "'\f' + '\N{LINE SEPARATOR}'",
        id="python: a form feed or a Unicode separator is no line end",
    ),
    pytest.param(
        "def f(a):\n    b = ¦\n", "1\n    return b\nc", "python", "1", id="python: inside a line"
    ),
    pytest.param(
        "def f(a):\n    ¦\n    return g(b)\n",
        "b = a\n    c = b\n",
        "python",
        "b = a",
        id="python: code below reads it",
    ),
    pytest.param(
        "def f(a):\n    while a:\n        ¦\n",
        "a = a.next\n    return a\nb",
        "python",
        "a = a.next",
        id="python: the loop reads it",
    ),
    pytest.param(
        "class A:\n    ¦\n", "name: str = ''\n    age: int = 0\n", "python", "name: str = ''",
        id="python: a field",
    ),
    pytest.param("¦\n", "x = 1\ny = 2\n", "python", "x = 1", id="python: a module's name"),
    pytest.param(
        "def f():\n    ¦\n", "g()\n    return 1\nx", "python", "g()", id="python: a call"
    ),
    pytest.param("if (a) {\n  ¦\n}\n", "b();\n  c();\n}", "javascript", "b();", id="javascript"),
    pytest.param(
        "case $1 in\n  a)\n    ¦\n    ;;\nesac\n", "return 1\n    ;;\n", "shellscript", "return 1",
        id="shell: the case ends below",
    ),
]  # fmt: skip
SEVERAL_LINES = [
    pytest.param(
        "def f(s):\n    ¦\n",
        "# split it\n    # at spaces\n    return s.split()\n\ng",
        "python",
        "# split it\n    # at spaces\n    return s.split()",
        id="python: a comment announces code",
    ),
    pytest.param(
        "def f(s):\n    ¦\n    return 1\n",
        "if not s:\n        return 0\n    s += 1\n",
        "python",
        "if not s:\n        return 0",
        id="python: a header with its block",
    ),
    pytest.param(
        "def f(s):\n    ¦\n",
        "n = len(s)\n    m = n + 1\n    return m\n\ng",
        "python",
        "n = len(s)\n    m = n + 1\n    return m",
        id="python: a name that nothing reads, at the end of a function",
    ),
    pytest.param(
        "def f(s):\n    ¦\n",
        "if s:\n        return 1\n    return 2\n\ng",
        "python",
        "if s:\n        return 1\n    return 2",
        id="python: a value on one way only",
    ),
    pytest.param(
        "def f(s):\n    ¦\n    b()\n",
        "a = g(\n        s,\n    )\n    c",
        "python",
        "a = g(\n        s,\n    )",
        id="python: open brackets",
    ),
    pytest.param(
        "func f() int {\n\t¦\n}\n",
        "// the sum\n\treturn a + b\n}\n",
        "go",
        "// the sum\n\treturn a + b",
        id="go: a comment",
    ),
    pytest.param(
        "fn f() -> i32 {\n    ¦\n}\n",
        "let a = [\n        1,\n    ];\n    g(a)\n}\n",
        "rust",
        "let a = [\n        1,\n    ];\n    g(a)",
        id="rust: brackets, and a name that nothing reads",
    ),
]


@pytest.mark.parametrize(("code", "text", "language_id", "expected"), LONE_LINES + SEVERAL_LINES)
def test_first_statement(code: str, text: str, language_id: str, expected: str) -> None:
    """A completion is a line, and more only where that line alone would be no use."""
    assert expected == first_statement(draft(text, code, language_id, mode=Mode.SINGLE))[0]


@pytest.mark.parametrize(("code", "text", "language_id", "expected"), SEVERAL_LINES)
def test_goes_on_until_it_can_stand_alone(
    code: str, text: str, language_id: str, expected: str
) -> None:
    """Generating goes on for as long as the first lines are no use alone, no longer."""
    complete = [
        is_first_statement_whole(draft(text[:end], code, language_id, mode=Mode.SINGLE))
        for end in range(len(text) + 1)
    ]
    assert not any(complete[: len(expected) + 1])
    assert complete[-1]


def test_first_statement_without_its_end() -> None:
    """Where tokens ran out before the lines were of use alone, the first one is shown."""
    text, code = "# the words\n    words = s.spl", "def f(s):\n    ¦\n"
    given = draft(text, code, mode=Mode.SINGLE, reason=FinishReason.LENGTH)
    assert "# the words" == first_statement(given)[0]


def test_first_statement_that_the_model_ended() -> None:
    """A last line without a line break is whole where the model ended it."""
    code, text = "def f(s):\n    ¦\n", "# the words\n    return s.split()"
    assert text == first_statement(draft(text, code, mode=Mode.SINGLE, ended=True))[0]
    assert "# the words" == first_statement(draft(text, code, mode=Mode.SINGLE))[0]
