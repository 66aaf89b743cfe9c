"""Brackets and lines of code, with strings and comments left out."""

from __future__ import annotations

import pytest

from fimls.postprocess.brackets import blank_text, net_brackets, nets, unmatched
from fimls.postprocess.seam import surroundings_of
from tests.unit.postprocess.cursor import context


@pytest.mark.parametrize(
    ("code", "language_id", "expected", "open_end"),
    [
        ("f(')')  # )", "python", "f('  )     ", False),
        ('f("a\\")")', "python", 'f("     )', False),
        ("x = '''\n) '\n''')", "python", "x = '  \n   \n   )", False),
        ("x = '''\n) '\n'", "python", "x = '  \n   \n ", True),
        ("x = '(\ny)", "python", "x = ' \ny)", False),
        ("f(`)${a}`) // )", "javascript", "f(`      )     ", False),
        ("a /* ( \n ( */ b", "c", "a      \n      b", False),
        ("a /* ( \n (", "c", "a      \n  ", True),
        ("fn f<'a>(x: &'a str) {", "rust", "fn f<'a>(x: &'a str) {", False),
        ("n=${#a[@]} # (\n[ $# ]", "shellscript", "n=${#a[@]}    \n[ $# ]", False),
        ("x =~ /(#{a})/ # (", "ruby", "x =~ /(#{a})/    ", False),
        ("#[A]\nf() # (\ng() // (", "php", "#[A]\nf()    \ng()     ", False),
        ("it's (a", "", "it's (a", False),
    ],
)  # fmt: skip
def test_blank_text(code: str, language_id: str, expected: str, *, open_end: bool) -> None:
    """Strings keep their first quote, comments nothing; every line keeps its length."""
    assert (expected, open_end) == blank_text(code, language_id)


def test_brackets() -> None:
    """All kinds count alike; a closer without an opener isn't paid by a later opener."""
    assert 2 == net_brackets("f(a[0], {")
    assert (2, 0, 0) == nets("f(a[0], (}{")
    assert ((1, 2), (0, 0), (0, 1)) == unmatched("a) + f([1], (b{")


@pytest.mark.parametrize(
    ("code", "language_id", "missing"),
    [
        ("f(¦)\n", "python", (0, 0, 0)),
        ("f(¦\n", "python", (-1, 0, 0)),
        ("return f(¦)))\n", "python", (2, 0, 0)),
        ("x = ((\n\ndef g():\n    f(¦)\n\ny = ))\n", "python", (0, 0, 0)),
        ("function f() {\n  if (a) {\n    ¦\n  }\n}\n", "javascript", (0, 0, 0)),
        ("func f() {\n\t¦\n", "go", (0, 0, -1)),
        ("class A {\n    int f() {\n        ¦\n    }\n\n    int g() {}\n}\n", "java", (0, 0, 0)),
    ],
)
def test_missing_brackets(code: str, language_id: str, missing: tuple[int, ...]) -> None:
    """Brackets are matched across the cursor, within the code between two margins."""
    around = surroundings_of(context(code, language_id=language_id))
    assert (True, missing) == (around.known, around.missing)


@pytest.mark.parametrize(
    "code",
    [
        'def f():\n    """Say (\n    ¦\n    """\n',
        "class A:\n" + "    def f(self): ...\n" * 1000 + "    ¦\n",
        "def f():\n    ¦\n" + "    g()\n" * 2000,
    ],
    ids=["in a docstring", "a large class above", "a large function below"],
)
def test_unknown(code: str) -> None:
    """Nothing is concluded from a unit that isn't seen whole, nor inside a docstring."""
    assert not surroundings_of(context(code)).known
