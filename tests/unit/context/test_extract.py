from __future__ import annotations

import time

import pytest

from fimls.context.extract import WINDOW_LINES, extract, term


@pytest.mark.parametrize(
    ("language_id", "text", "names"),
    [
        (
            "python",
            "import a\nclass Shape(Base):\n    limit = 3\n    async def run(self): pass\n"
            "LIMIT: dict[str, int] = {}\ntable[0] = 1\na == b\ntype Alias = int\nfoo(a=3)\n",
            {"Shape", "run", "LIMIT", "Alias", "table"},
        ),
        (
            "typescript",
            "export default class Shape {\n  private async load<T>(x: number): Promise<void> {\n"
            "    if (x) {\n    for (const a of b) {\n  }\n}\nexport const enum Color { }\n"
            "export const draw = (a) => 3\ninterface Named { }\nexport type Id = string\n"
            "function* walk() {}\nexport async function save() {}\n",
            {"Shape", "load", "Color", "draw", "Named", "Id", "walk", "save"},
        ),
        (
            "go",
            "package a\ntype Shape struct {\n\tname string\n}\nfunc (s *Shape) Area(x int) error {\n"
            "func Top[T any]() {\nconst Limit = 1\nconst (\n\tFirst = iota\n)\n",
            {"Shape", "Area", "Top", "Limit", "First"},
        ),
        (
            "rust",
            "pub(crate) async unsafe fn go<T>() {\nimpl Shape for Circle {\n"
            "    pub const fn area(&self) {}\nstruct Unit;\nmacro_rules! shapes {\n"
            "pub static mut COUNT: i32 = 3;\npub enum Color {}\n",
            {"go", "area", "Unit", "shapes", "COUNT", "Color"},
        ),
        (
            "java",
            "public class Main extends X {\n  private static final int LIMIT = 3;\n"
            "  public <T> List<T> find(String a) {\n    return foo(3);\n  record Pair(int a) {}\n",
            {"Main", "LIMIT", "find", "Pair"},
        ),
        (
            "c",
            "#include <a.h>\n#define MAX 3\n#  define F(x) x\nstatic inline int add(struct a *b,\n"
            "    int c)\n{\n  if (x) { return add(3); }\n}\nstruct node {\n  int a;\n};\n"
            "typedef struct { int a; } Pair;\ntypedef int number;\ntypedef struct x {\n} tree;\n"
            "int header(void);\nvoid\nold(int a)\n{\n}\n",
            {"MAX", "F", "add", "node", "Pair", "number", "x", "tree", "header", "old"},
        ),
        (
            "cpp",
            "template <class T>\nclass Shape : public Base {\n};\nvoid Shape::draw(int a) const {\n"
            "namespace shapes {\nusing Id = int;\nenum class Color { A };\n",
            {"Shape", "draw", "shapes", "Id", "Color"},
        ),
        ("kotlin", "data class User(val a: Int)\n  private fun go() {\n", {"User", "go"}),
        ("ruby", "class Shape\n  def area(x)\nmodule Tools\n", {"Shape", "area", "Tools"}),
        ("markdown", "class Shape\ndef area\n", set()),
    ],
)
def test_definitions(language_id: str, text: str, names: set[str]) -> None:
    """Each family's definitions are found by their heads, calls and statements are none."""
    assert names == extract(text.encode(), language_id).definitions


def test_a_name_need_not_be_ascii() -> None:
    """Python, Java, Rust and others allow letters of any script."""
    assert {"größe"} == extract("def größe():\n".encode(), "python").definitions


def test_windows_hold_the_words_of_their_lines() -> None:
    """All words but what the language brings, letters and small numbers; none lies twice."""
    text = "amount = other(amount, x, 12)\n" + "\n" * (WINDOW_LINES - 1) + "return größe_2\n"
    assert ({"amount", "other"}, {"größe_2"}) == extract(text.encode(), "python").windows


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_counted_as_editors_do(end: str) -> None:
    """Whatever ends them; a form feed and U+2028 do not."""
    text = end.join([*["alpha\f beta\u2028 gamma"] * WINDOW_LINES, "delta"])
    contents = extract(text.encode(), "python")
    assert WINDOW_LINES + 1 == contents.lines
    assert {"delta"} == contents.windows[1]


def test_a_byte_order_mark_is_no_letter() -> None:
    """The first word is found without it."""
    assert "alpha" in extract(b"\xef\xbb\xbfalpha = 1\n", "python").windows[0]


def test_terms_keep_case_apart() -> None:
    """Two words that differ in case alone are two terms, even where case is folded."""
    words = ["userName", "username", "UserName", "USERNAME", "user_name"]
    assert len(words) == len({term(word).lower() for word in words})


@pytest.mark.parametrize(
    "language_id", ["python", "typescript", "go", "rust", "java", "c", "cpp", "kotlin"]
)
@pytest.mark.parametrize("line", ["static a ", "a b.c<d> ", "def ", "\t\t \t", "typedef x(", "}*a "])
def test_no_text_is_slow(language_id: str, line: str) -> None:
    """What was made to slow a regular expression down costs no more than some seconds a MB."""
    text = (line * (4_000 // len(line)) + "\n") * 20
    began = time.process_time()
    extract(text.encode(), language_id)
    assert time.process_time() - began < 1
