"""The steps that keep code from being written twice: around the cursor, and in a loop."""

from __future__ import annotations

import pytest

from fimls.postprocess.repeats import (
    cut_repetition,
    cut_suffix_lines,
    cut_suffix_overlap,
    cut_where_line_goes_on,
    drop_lines_above,
)
from tests.unit.postprocess.cursor import draft


@pytest.mark.parametrize(
    ("code", "text", "language_id", "expected"),
    [
        pytest.param(
            "def f(a):\n    ¦\n    return result\n",
            "result = a\n    return result\n    b\n",
            "python",
            "result = a\n    return result\n    b\n",
            id="python: a bare return may be there twice",
        ),
        pytest.param(
            "def f(a):\n    ¦\n    return g(result)\n",
            "result = a\n    return g(result)\n",
            "python",
            "result = a",
            id="python: the line below",
        ),
        pytest.param(
            "def f(a):\n    ¦\n    return g({'a': 1})\n",
            'result = a\n    return g({"a":1})\n',
            "python",
            "result = a",
            id="python: other quotes and spacing",
        ),
        pytest.param(
            "if x > 3:\n    a()\n¦\nelif x > 1:\n    c()\n",
            "elif x > 2:\n    b()\n",
            "python",
            "elif x > 2:\n    b()\n",
            id="python: one other character is other code",
        ),
        pytest.param(
            "def f(a):\n    ¦\n    x = g(result)\n",
            "x = g(result)",
            "python",
            "",
            id="python: on the cursor's blank line",
        ),
        pytest.param(
            "def f(a):¦\n    x = g(result)\n",
            "\n    x = g(result)\n",
            "python",
            "",
            id="python: after the header",
        ),
        pytest.param(
            "if not x:\n        ¦\n    return None\n",
            "return None",
            "python",
            "return None",
            id="python: deeper is another line",
        ),
        pytest.param(
            "if a:\n    ¦\n        return g(x)\n",
            "if b:\n        return g(x)\n    if c:\n        return g(x)\n",
            "python",
            "if b:",
            id="python: the first place that fits",
        ),
        pytest.param(
            "try:\n    ¦\n        raise f(x)\nexcept A: ...\n",
            "g()\n        raise f(x)\n    if h():\n        raise f(x)\n",
            "python",
            "g()\n        raise f(x)\n    if h():",
            id="python: not where the code below would not fit",
        ),
        pytest.param(
            "a = ¦\na = 1 + b\n",
            "1 + b",
            "python",
            "1 + b",
            id="python: a line begun before the cursor may equal the next",
        ),
        pytest.param(
            "x = 1\n¦print(total)\n",
            "total = x\nprint(total)\nprint(x)",
            "python",
            "total = x",
            id="python: the cursor at the start of the line that repeats",
        ),
        pytest.param(
            "¦\r\nprint(total)\r\n",
            "total = 1\nprint(total)\n",
            "python",
            "total = 1",
            id="python: LF written for CRLF",
        ),
        pytest.param(
            "function f() {\n  ¦\n}\n",
            "return 1;\n}\n\nfunction g() {",
            "javascript",
            "return 1;",
            id="javascript: the bracket that is there already",
        ),
        pytest.param("[\n¦\n]\n", "[\n1\n]", "json", "[\n1\n]", id="json: its own bracket"),
        pytest.param(
            "if a {\n\t¦\n} else {\n\tb()\n}\n",
            "c()\n} else {\n\td()\n}\n",
            "go",
            "c()\n} else {\n\td()\n}\n",
            id="go: a short line may be there twice",
        ),
        pytest.param(
            "if a {\n\t¦\n} else {\n\tb()\n}\n",
            "c()\n} else {\n\tb()\n",
            "go",
            "c()",
            id="go: a short line with the one that follows it",
        ),
        pytest.param(
            "if a {\n\t¦\n} else {\n\tbig_call()\n}\n",
            "c()\n} else {\n\tbig_",
            "go",
            "c()",
            id="go: the second line is not finished yet",
        ),
        pytest.param("¦\n\n\n", "x = 1\n", "python", "x = 1\n", id="nothing below"),
    ],
)
def test_cut_suffix_lines(code: str, text: str, language_id: str, expected: str) -> None:
    """The completion ends where it begins to repeat the lines below the cursor."""
    assert expected == cut_suffix_lines(draft(text, code, language_id))[0]


@pytest.mark.parametrize(
    ("code", "text", "language_id", "expected"),
    [
        pytest.param(
            "r = [str(x)¦ 1)]\n    return r\n",
            " for x in range(n + 1)]\n    return r\n",
            "python",
            " for x in range(n +",
            id="python: the rest of the line",
        ),
        pytest.param(
            "foo(¦)\nprint(total)\n",
            "bar()\nprint(total)\n",
            "python",
            "bar()\nprint(total)\n",
            id="python: brackets would not fit",
        ),
        pytest.param(
            "foo(¦)\nprint(total)\n",
            "a, b)\n\nprint(total)\n",
            "python",
            "a, b",
            id="python: a closing bracket, blank lines between",
        ),
        pytest.param(
            "if (¦) {\n  run(a);\n}\n",
            "a) {\n  stop(a);\n}\nif (b) {\n  run(a);\n",
            "javascript",
            "a) {\n  stop(a);\n}\nif (b",
            id="javascript: the line below tells which",
        ),
        pytest.param(
            "    for i in x:\n¦    a(i)\n    b()\n",
            "        a(i)\n    b()\n",
            "python",
            "    ",
            id="python: a part of the indentation is there",
        ),
        pytest.param(
            "foo(¦)\nprint(total)\n", "a)\nprint(tot", "python", "a)\nprint(tot", id="unfinished"
        ),
        pytest.param("foo(¦)", "a)\nb\n", "python", "a)\nb\n", id="nothing below"),
    ],
)
def test_cut_where_line_goes_on(code: str, text: str, language_id: str, expected: str) -> None:
    """The rest of the line, then the line below: there the completion has joined the code."""
    assert expected == cut_where_line_goes_on(draft(text, code, language_id))[0]


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("print(¦)", "a, b)", "a, b"),
        ("print(¦)", "total()", "total()"),
        ("print(¦)", "total())", "total()"),
        ("return f(¦)))", "g(h(x)))", "g(h(x"),
        ("x = [¦];", "1, 2];", "1, 2"),
        ('say("¦")', 'hello")', "hello"),
        ('say("¦")', 'hello"', "hello"),
        ('say(¦, "")', '"hello"', '"hello"'),
        ("a = ¦ + b", "c + b", "c"),
        ("a = ¦b", "x", "x"),
        ("a = ¦bc", "x + b", "x + b"),
        ("f(¦)\r\n", "x)", "x"),
        ("x = ¦\nprint(x)", "1print(x)", "1print(x)"),
        ("if (¦) {", "a) {", "a"),
        ("items[¦]", "index[0]", "index[0]"),
        ("    re¦turn total", "sult = 0\n    return total", "sult = 0\n    re"),
        ("v = chr(¦ 5 - ord('a')) for c in s", "ord(c) - 5 + ord('a')) for c in s", "ord(c) -"),
        ("balan¦lance += op\n", "ce = 0\nbalance -= op", "ce = 0\nba"),
        ("    a\n¦    b(c)\n", "        b(c)", "        b(c)"),
        ("a(b)\nc.¦)\n", "run()", "run("),
        ("a(b)\nc.¦])\n", "run([])", "run(["),
        ("a(b)\nc(¦)\n", "run()", "run()"),
        ("def f():\n    a(b\n    c.¦)\n", "run()", "run()"),
        ("def f():\n    c(¦);\n    d);\n", "run()", "run()"),
        ("def f():\n    c.¦);\n    d();\n", "run()", "run("),
        ("    a\n¦    b\n", "    c\n    b", "    c\n"),
    ],
)
def test_cut_suffix_overlap(code: str, text: str, expected: str) -> None:
    """What already follows the cursor is not written again, nor is a bracket lost."""
    assert expected == cut_suffix_overlap(draft(text, code))[0]


def test_cut_suffix_overlap_trusts_the_model() -> None:
    """Where the model ended by itself, only its end may repeat what follows."""
    code = "for j in ¦ange(n):\n    f(j)\n"
    text = "range(m):\n    for k in r"
    assert text == cut_suffix_overlap(draft(text, code, ended=True))[0]
    assert "r" == cut_suffix_overlap(draft(text, code))[0]
    assert "a, b" == cut_suffix_overlap(draft("a, b)", "f(¦)\n", ended=True))[0]
    assert "a, b)" == cut_suffix_overlap(draft("a, b)", "f((¦)\n", ended=True))[0]


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
    """A group of lines that says something and comes three times in a row is kept once."""
    assert expected == cut_repetition(draft(text, "¦"))[0]


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
    """Lines that say something and are right above already aren't suggested again."""
    assert expected == drop_lines_above(draft(text, code))[0]
