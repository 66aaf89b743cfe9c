"""The steps that tidy a completion: its brackets, its indentation and its end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fimls.postprocess.tidy import (
    close_brackets,
    drop_extra_closers,
    drop_trifles,
    finished_lines,
    keep_lines_apart,
    match_indentation,
    trim_end,
)
from fimls.types import FinishReason
from tests.unit.postprocess.cursor import draft


@pytest.mark.parametrize(
    ("code", "text", "language_id", "expected"),
    [
        ("a = [¦]\n", "x for x in y if f(x", "python", "x for x in y if f(x)"),
        ("a = ¦\n", "{k: [f(k", "python", "{k: [f(k)]}"),
        ("a = f(¦)\n", "x", "python", "x"),
        ("a = ¦)\n", "f(x", "python", "f(x"),
        ("a = ¦\n    b)\n", "f(x,", "python", "f(x,"),
        ("f(¦\n", "x", "python", "x"),  # the code before the cursor is the person's
        ("a = ¦\n", "f(')", "python", "f(')"),  # it ends in a string
        ("a = f(¦)\n", '"(", g(1', "python", '"(", g(1)'),
        ("a = ¦\n", "b  # (see", "python", "b  # (see"),
        ("let a = [¦];\n", "f(x", "javascript", "f(x)"),
        ("¦\n", "(see", "markdown", "(see"),
        (
            "    ¦\n",
            "for i in 0..n {\n        f(i);",
            "rust",
            "for i in 0..n {\n        f(i);\n    }",
        ),
        (
            "\t¦\n",
            "if (a) {\r\n\t\tf([\r\n\t\t\t1,",
            "c",
            "if (a) {\r\n\t\tf([\r\n\t\t\t1,\r\n\t\t])\r\n\t}",
        ),
        ("a = ¦\n", "f(\n    b,\n", "python", "f(\n    b,\n)"),
    ],
)
def test_close_brackets(code: str, text: str, language_id: str, expected: str) -> None:
    """What the text opens is closed where the code below doesn't."""
    given = draft(text, code, language_id, stopped=True)
    assert expected == close_brackets(given)[0]
    assert text == close_brackets(replace(given, ended=True))[0]
    assert text == close_brackets(replace(given, stopped=False))[0]


@pytest.mark.parametrize(
    ("text", "reason", "expected"),
    [
        ("a()\nb(", FinishReason.STOP, "a()\nb("),
        ("a()\nb(", FinishReason.LENGTH, "a()"),
        ("a()\nb(", FinishReason.DEADLINE, "a()"),
        ("a()\r\nb(", FinishReason.LENGTH, "a()"),
        ("a(", FinishReason.LENGTH, "a("),
        ("\n    a(", FinishReason.LENGTH, "\n    a("),
    ],
)
def test_finished_lines(text: str, reason: FinishReason, expected: str) -> None:
    """A line that was cut off is dropped, unless it is the only one or the model was done."""
    assert expected == finished_lines(draft(text, "¦", reason=reason))[0]


@pytest.mark.parametrize(
    ("code", "text", "language_id", "expected"),
    [
        ("print(¦)", "a, b))", "python", "a, b"),
        ("print(f(¦))", "a)))", "python", "a"),
        ("print(¦)", "f(a)", "python", "f(a)"),
        ("print([¦])", "a])]", "python", "a"),
        ("print(¦", "a, b)", "python", "a, b)"),
        ("#define A(x) do { ¦\n", "f(x); } while (0)", "c", "f(x); } while (0)"),
        ("x = ¦\n", "a)", "python", "a"),
        ('print(¦, ")")', "f(a)", "python", "f(a)"),
        ("f(() => {\n  ¦\n});\n", "a();\n})", "javascript", "a();"),
        ("int f() {\n  if (a) {\n    ¦\n  }\n}\n", "b();\n  }", "c", "b();"),
        ("fn f() {\n    ¦\n", "a()\n}", "rust", "a()\n}"),
        ('"""\n(¦\n', "a))", "python", "a))"),
        ("case $1 in\n  ¦\nesac\n", "-h|--help)", "shellscript", "-h|--help)"),
        ("x=$(f ¦)\n", "a)", "shellscript", "a"),
    ],
)
def test_drop_extra_closers(code: str, text: str, language_id: str, expected: str) -> None:
    """A closing bracket that the code after the cursor has, or that closes nothing, goes."""
    assert expected == drop_extra_closers(draft(text, code, language_id))[0]


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("x = ¦\n", "1  ", "1"),
        ("x = ¦\n", "1\r\n\r\n", "1"),
        ("x = ¦  \n", "1 \t", "1"),
        ("x = ¦y\n", "a + ", "a + "),
    ],
)
def test_trim_end(code: str, text: str, expected: str) -> None:
    """Blank space is kept only before other text on the line."""
    assert expected == trim_end(draft(text, code))[0]


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("a\n¦b\n", "x", "x\n"),
        ("¦b\n", "x\n\n", "x\n"),
        ("a\r\n¦b\r\n", "x", "x\n"),
        ("a\n¦\nb\n", "x", "x"),
        ("a\n  ¦b\n", "x", "x"),
    ],
)
def test_keep_lines_apart(code: str, text: str, expected: str) -> None:
    """New text at the start of a line that has text ends with a line break."""
    assert expected == keep_lines_apart(draft(text, code))[0]


def test_keep_lines_apart_inside_indentation() -> None:
    """Where the completion went on with the line's text, its end is the line's indentation."""
    code, text = "for i in x:\n¦    a(i)\n", "    b(i)\n    "
    assert text == keep_lines_apart(draft(text, code, ended=True))[0]
    assert "    b(i)\n" == keep_lines_apart(draft(text, code))[0]


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
            "def f():\n\t¦\n", "g(a,\n\t  b)", "g(a,\n\t  b)", id="alignment after tabs stays"
        ),
    ],
)
def test_match_indentation(code: str, text: str, expected: str) -> None:
    """Tabs become spaces and spaces tabs where the file has only the others."""
    assert expected == match_indentation(draft(text, code))[0]


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
    assert expected == drop_trifles(draft(text, code, "javascript"))[0]
