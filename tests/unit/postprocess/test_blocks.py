"""Where a block ends, on several languages, and the earlier end that fits the code below."""

from __future__ import annotations

import pytest

from fimls.postprocess.blocks import cut_at_block_end, cut_at_fence, cut_to_fit, has_left_block
from tests.unit.postprocess.cursor import draft


@pytest.mark.parametrize(
    ("code", "text", "language_id", "expected"),
    [
        pytest.param(
            "def f(x):\n    ¦\n",
            "return x\n\n\ndef g():\n    pass",
            "python",
            "return x",
            id="python: the next function",
        ),
        pytest.param(
            "def f(x):¦\n\n\nprint(f(1))\n",
            "\n    return x\n\n\ndef g():\n    pass",
            "python",
            "\n    return x",
            id="python: after the header",
        ),
        pytest.param(
            "class A:\n    def f(self):¦\n\n    def g(self): ...\n",
            "\n        return 1\n\n    def h(self):\n        return 2\n\ndef i(): ...",
            "python",
            "\n        return 1\n\n    def h(self):\n        return 2",
            id="python: a method's neighbours may be written, the module's not",
        ),
        pytest.param(
            "def f(x):\n¦\n",
            "    if x:\n        return 1\n    return 2\nprint()",
            "python",
            "    if x:\n        return 1\n    return 2",
            id="python: a blank line's indentation is the completion's first",
        ),
        pytest.param(
            "def f(x):\r\n    ¦\r\n",
            "y = 1\r\n    return y\r\nprint(f)",
            "python",
            "y = 1\r\n    return y",
            id="python: CRLF",
        ),
        pytest.param(
            "for c in s:\n    if c:\n        ¦\n        b()\n",
            "a()\n    elif d:\n        e()\n    else:\n        f()\n    g()\n",
            "python",
            "a()\n    elif d:\n        e()\n    else:\n        f()",
            id="python: a clause belongs to the statement above, the next statement doesn't",
        ),
        pytest.param(
            "def f():\n    for x in y:\n        ¦\n            return x\n",
            "a(x)\n    for z in x:\n        if z:\n",
            "python",
            "a(x)\n    for z in x:\n        if z:\n",
            id="python: the code below would not fit an earlier end",
        ),
        pytest.param(
            "func f() int {\n\t¦\n}\n",
            "a := 1\n\treturn a\n}\n\nfunc g() {",
            "go",
            "a := 1\n\treturn a\n}",
            id="go: tabs; a closing bracket alone does not leave",
        ),
        pytest.param(
            "class A {\n\tint f() {\n        ¦\n\t}\n}\n",
            "return 1;\n\t}\n\n\tint g() {\n",
            "java",
            "return 1;\n\t}\n\n\tint g() {\n",
            id="java: a tab is eight columns, so nothing leaves",
        ),
        pytest.param(
            "fn f() {\n    let a = vec![¦\n}\n",
            "\n        1,\n    ];\n    a.len()\n}\nfn g() {}",
            "rust",
            "\n        1,\n    ];\n    a.len()\n}",
            id="rust: closes what the cursor's line opened",
        ),
        pytest.param(
            "if (a) {\n  ¦\n}\n",
            "b();\n} else {\n  c();\n}\nd();",
            "javascript",
            "b();\n} else {\n  c();\n}",
            id="javascript: a clause after a closing bracket goes on",
        ),
        pytest.param(
            "x = ¦\ny = 2\n", "1\nz = 3", "python", "1\nz = 3", id="python: nothing leaves a module"
        ),
        pytest.param(
            "if (a) {\n  ¦\n  c();\n}\n",
            "b();\n\n  // done\n  d();\n",
            "c",
            "b();\n\n  // done\n  d();\n",
            id="c: the same depth stays",
        ),
        pytest.param("def f():\n    ¦", "", "python", "", id="nothing"),
    ],
)
def test_cut_at_block_end(code: str, text: str, language_id: str, expected: str) -> None:
    """Generated lines that leave the cursor's block are cut, up to the line's end before them."""
    assert expected == cut_at_block_end(draft(text, code, language_id))[0]


def test_cut_at_block_end_trusts_the_model() -> None:
    """A model that ends by itself where the code below fits has not lost its way."""
    code = "def f():\n    if a:\n        ¦\n        return 1\n"
    text = "b()\n    if c:\n"
    assert "b()" == cut_at_block_end(draft(text, code))[0]
    assert text == cut_at_block_end(draft(text, code, ended=True))[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a()\n        b()\n", False),
        ("a()\nc", True),
        ("a()\n    d()\n", False),
        ("a()\n" + "    d()\n" * 9, True),
        ("a()\n    e", False),
    ],
    ids=["inside", "at the margin", "may come back", "far beyond", "an else, unfinished"],
)
def test_has_left_block(text: str, *, expected: bool) -> None:
    """A generation stops at once at the margin, else when it doesn't come back."""
    code = "def f():\n    if x:\n        ¦\n        return 1\n"
    assert expected == has_left_block(draft(text, code))


@pytest.mark.parametrize(
    ("code", "text", "language_id", "expected"),
    [
        ("¦\n", "x = 1\n```\n\nThis code", "python", "x = 1\n"),
        ("f(¦\n", "```", "python", "```"),
        ('"""\n    ¦\n"""', "Say::\n    ```\n    x\n", "python", "Say::\n    ```\n    x\n"),
        ("¦\n", "x\n```\n", "markdown", "x\n```\n"),
        ("¦\n", "x\n```\n", "", "x\n```\n"),
    ],
)
def test_cut_at_fence(code: str, text: str, language_id: str, expected: str) -> None:
    """Code ends where a chat model closes its Markdown block."""
    assert expected == cut_at_fence(draft(text, code, language_id))[0]


@pytest.mark.parametrize(
    ("code", "text", "language_id", "expected"),
    [
        pytest.param(
            "def f(s):\n    v = 0\n    ¦\n            v = v + 1\n        else:\n            w()\n",
            "for c in s:\n        if c:\n            v += 1\n        else:\n            x()\n"
            "    return v",
            "python",
            "for c in s:\n        if c:",
            id="python: the code below in other words",
        ),
        pytest.param(
            "def f(x):\n    if x:\n        ¦\n    y = g(x)\n    return y\n",
            "return 0\n    y = h(x)\n    return y",
            "python",
            "return 0",
            id="python: code below would not be reached",
        ),
        pytest.param(
            "def f(x):\n    ¦\n    print(x)\n",
            "y = 1\n    z = 2\n    return z",
            "python",
            "y = 1\n    z = 2",
            id="python: nothing alike, so the last end that fits",
        ),
        pytest.param(
            "function f() {\n  ¦\n  done();\n}\n",
            "a();\n  if (b) {\n    c();",
            "javascript",
            "a();",
            id="javascript: an open block that nothing below closes",
        ),
        pytest.param(
            "int f(int a) {\n  ¦\n  b();\n}\n",
            "c();\n  return a;",
            "c",
            "c();",
            id="c: unreachable",
        ),
        pytest.param(
            "switch (a) {\ncase 1:\n  ¦\ncase 2:\n  break;\n}\n",
            "b();\n  break;",
            "c",
            "b();\n  break;",
            id="c: a label is reached otherwise",
        ),
        pytest.param(
            "fn f() {\n    ¦\n}\n",
            "if a {\n        b()\n    }",
            "rust",
            "if a {\n        b()\n    }",
            id="rust: it fits",
        ),
        pytest.param(
            "func f() {\n\tg(¦\n",
            "a,\n\t\tb)\n}",
            "go",
            "a,\n\t\tb)\n}",
            id="go: closes what is open",
        ),
        pytest.param(
            "def f():\n    ¦\n    b()\n",
            "for x in y:",
            "python",
            "for x in y:",
            id="python: no earlier end",
        ),
    ],
)
def test_cut_to_fit(code: str, text: str, language_id: str, expected: str) -> None:
    """An end that the code below doesn't fit gives way to an earlier one that it does."""
    assert expected == cut_to_fit(draft(text, code, language_id))[0]


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("def f(x):\n    ¦print(x)\n", "y = 1\n    return y, ", "y = 1\n    return y, "),
        ("def f(x):\n¦    print(x)\n", "    y = 1\n    return y\n  ", None),
        ("def f(x):\n    ¦\n    print(x)\n", "y = 1\n    return y", "y = 1"),
        ("def f(x):\n¦    g(x)\n", "    if x:\n        a()\n    else:\n", "    if x:\n        a()"),
    ],
)
def test_cut_to_fit_trusts_the_model(code: str, text: str, expected: str | None) -> None:
    """Where the model ended by itself inside a line, its end stays."""
    assert (expected or text) == cut_to_fit(draft(text, code, ended=True))[0]
