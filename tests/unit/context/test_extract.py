from __future__ import annotations

from collections.abc import Callable

import pytest

from fimls.context.extract import WINDOW_LINES, extract, terms
from tests.growth import LINEAR, growth

# Language, code, the names that it defines.
DEFINITIONS = [
    (
        "python",
        """
import a
class Shape(Base):
    limit = 3
    async def run(self): pass
LIMIT: dict[str, int] = {}
table[0] = 1
a == b
type Alias = int
foo(a=3)
""",
        "Alias LIMIT Shape run table",
    ),
    (
        "typescript",
        """
export default class Shape {
  private async load<T>(x: number): Promise<void> {
    if (x) {
    for (const a of b) {
  }
}
export const enum Color { }
export const draw = (a) => 3
interface Named { }
export type Id = string
function* walk() {}
export async function save() {}
""",
        "Color Id Named Shape draw load save walk",
    ),
    (
        "go",
        """
package a
type Shape struct {
\tname string
}
func (s *Shape) Area(x int) error {
func Top[T any]() {
const Limit = 1
const (
\tFirst = iota
)
""",
        "Area First Limit Shape Top",
    ),
    (
        "rust",
        """
pub(crate) async unsafe fn go<T>() {
impl Shape for Circle {
    pub const fn area(&self) {}
struct Unit;
macro_rules! shapes {
pub static mut COUNT: i32 = 3;
pub enum Color {}
""",
        "COUNT Color Unit area go shapes",
    ),
    (
        "java",
        """
public class Main extends X {
  private static final int LIMIT = 3;
  public <T> List<T> find(String a) {
    return foo(3);
  record Pair(int a) {}
""",
        "LIMIT Main Pair find",
    ),
    (
        "c",
        """
#include <a.h>
#define MAX 3
#  define F(x) x
static inline int add(struct a *b,
    int c)
{
  if (x) { return add(3); }
}
struct node {
  int a;
};
typedef struct { int a; } Pair;
typedef int number;
typedef struct leaf {
} tree;
int header(void);
void
old(int a)
{
}
""",
        "F MAX Pair add header leaf node number old tree",
    ),
    (
        "cpp",
        """
template <class T>
class Shape : public Base {
};
void Shape::draw(int a) const {
namespace shapes {
using Id = int;
enum class Color { A };
""",
        "Color Id Shape draw shapes",
    ),
    ("kotlin", "data class User(val a: Int)\n  private fun go() {\n", "User go"),
    ("ruby", "class Shape\n  def area(x)\nmodule Tools\n", "Shape Tools area"),
    ("markdown", "class Shape\ndef area\n", ""),
]


@pytest.mark.parametrize(
    ("language_id", "text", "names"), DEFINITIONS, ids=[row[0] for row in DEFINITIONS]
)
def test_definitions(language_id: str, text: str, names: str) -> None:
    """Definitions are found by their headers; calls and statements aren't definitions."""
    assert names == " ".join(sorted(extract(text.encode(), language_id).definitions))


def test_a_name_need_not_be_ascii() -> None:
    """Python, Java, Rust and others allow letters of any script."""
    assert {"größe"} == extract("def größe():\n".encode(), "python").definitions


def test_windows_hold_the_words_of_their_lines() -> None:
    """All words are kept once, except the language's own, letters and small numbers."""
    text = "amount = other(amount, x, 12)\n" + "\n" * (WINDOW_LINES - 1) + "return größe_2\n"
    windows = extract(text.encode(), "python").windows
    assert [{"amount", "other"}, {"größe_2"}] == [*map(set, windows)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_counted_as_editors_do(end: str) -> None:
    """All line ends count as one; a form feed and U+2028 end no line."""
    text = end.join([*["alpha\f beta\u2028 gamma"] * WINDOW_LINES, "delta"])
    contents = extract(text.encode(), "python")
    assert WINDOW_LINES + 1 == contents.lines
    assert {"delta"} == contents.windows[1]


def test_a_byte_order_mark_is_no_letter() -> None:
    """The first word is found without the byte order mark."""
    assert "alpha" in extract(b"\xef\xbb\xbfalpha = 1\n", "python").windows[0]


def test_terms_keep_case_apart() -> None:
    """Two words that differ only in case are two terms, even where case is folded."""
    words = ["userName", "username", "UserName", "USERNAME", "user_name"]
    assert len(words) == len(set(terms(words).lower().split()))


@pytest.mark.parametrize(
    "language_id", ["python", "typescript", "go", "rust", "java", "c", "cpp", "kotlin"]
)
@pytest.mark.parametrize(
    "line", ["static a ", "a b.c<d> ", "def ", "\t\t \t", "typedef x(", "}*a "]
)
def test_no_text_is_slow(language_id: str, line: str) -> None:
    """Text made to slow down regular expressions takes time linear in a line's length."""

    def extracted(length: int) -> Callable[[], object]:
        data = (line * (length // len(line)) + "\n").encode() * 2
        return lambda: extract(data, language_id)

    assert growth(extracted, 1_000) < LINEAR
