from __future__ import annotations

from pathlib import Path

import pytest

from fimls.context.describe import describe, describe_method
from fimls.context.files import SourceFile
from fimls.context.query import REQUIRED, Candidate
from fimls.context.surroundings import surroundings
from tests.unit.context.workspaces import CURSOR, query

STORE = '''\
class Store(Base):
    """Keeps items."""

    limit: int = 10
    """How many."""
    _lock: Lock

    def __init__(
        self,
        path: Path,
        *,
        readonly: bool = False,
    ) -> None:
        """Open."""
        self.path = path
        self.count = 0

    @property
    def size(self) -> int:
        return 1

    @size.setter
    def size(self, value: int) -> None: ...

    def fetch_item(self, key: str) -> Item:
        """Return one."""
        return self.items[key]

    def _flush(self) -> None: ...
'''


def described(text: str, name: str, path: str = "a.py", near: str = CURSOR) -> Candidate:
    """The candidate for one definition, seen from some code."""
    file = SourceFile(path, text)
    definition = next(one for one in file.outline.definitions if one.name == name)
    around = surroundings(query(Path("/w"), "other.py", near))
    return describe(file, definition, 1.0, around)


def text_of(candidate: Candidate) -> str:
    """All of a candidate's parts."""
    return "\n".join(part.text for part in candidate.parts)


def test_a_function_is_one_line() -> None:
    """Decorators, docstring and body are left out, and a broken header is joined."""
    header = "@cached\ndef load(\n    path: Path,\n    *,\n    limit: int = 3,\n) -> Item:\n"
    text = header + '    """Doc."""\n    x\n'
    expected = "def load(path: Path, *, limit: int = 3) -> Item: ..."
    assert expected == text_of(described(text, "load"))


def test_a_long_signature_keeps_its_names() -> None:
    """Long types and defaults go where the line would be long; brackets don't confuse it."""
    long = "Callable[[dict[str, int], tuple[int, ...]], Awaitable[None]] | None = None"
    text = f"def f(first: int, second: {long}, third: {long}, fourth: {long}) -> None:\n    x\n"
    assert "def f(first: int, second, third, fourth) -> None: ..." == text_of(described(text, "f"))


def test_a_class_member_by_member() -> None:
    """Its head is required; fields, attributes and methods can be chosen one by one."""
    candidate = described(STORE, "Store")
    required = [part.text for part in candidate.parts if part.score == REQUIRED]
    optional = [part.text.strip() for part in candidate.parts if part.score != REQUIRED]
    assert ["class Store(Base):"] == required
    assert [
        "limit: int = 10",
        "_lock: Lock",
        "path: Path",
        "count = 0",
        "def __init__(self, path: Path, *, readonly: bool = False) -> None: ...",
        "@property\n    def size(self) -> int: ...",
        "def fetch_item(self, key: str) -> Item: ...",
        "def _flush(self) -> None: ...",
    ] == optional


@pytest.mark.parametrize(
    ("near", "best"),
    [
        (f"def f(store: Store):\n    store.fetch_item({CURSOR})\n", "fetch_item"),
        (f"def f(store: Store):\n    store.size{CURSOR}\n", "size"),
        (f"def fetch_other_item(store: Store):\n    store.{CURSOR}\n", "fetch_item"),
        (f"def f():\n    return Store({CURSOR})\n", "__init__"),
    ],
)
def test_members_that_suggest_themselves_score_highest(near: str, best: str) -> None:
    """Methods come first that are used, called, or named like code beside the cursor."""
    candidate = described(STORE, "Store", near=near)
    methods = [part for part in candidate.parts if "def " in part.text]
    assert best in max(methods, key=lambda part: part.score).text


def test_private_members_of_others_score_low() -> None:
    """Private members of another class have low scores."""
    candidate = described(STORE, "Store", near=f"def f(store: Store):\n    store.{CURSOR}\n")
    scores = {part.text.strip().partition("(")[0]: part.score for part in candidate.parts}
    assert scores["def _flush"] < 0.3 < scores["def fetch_item"]


GO = """\
package a

type Store struct {
	name string
}

func (s *Store) Get(key string) (Item, error) {
	return 1
}
"""
TYPESCRIPT = """\
export class Store {
  private items: Item[] = [];

  get(
    key: string,
  ): Item {
    return this.items[0];
  }
}
"""
RUST = """\
pub struct Store {
    name: String,
}

impl Store {
    pub fn get(&self, key: &str) -> Item {
        x
    }
}
"""
SKELETONS = {
    "a.go": """\
type Store struct {
	name string
}
func (s *Store) Get(key string) (Item, error) { ... }""",
    "a.ts": """\
export class Store {
  private items: Item[] = [];
  get(key: string): Item { ... }
}""",
    "a.rs": """\
pub struct Store {
    name: String,
}
    pub fn get(&self, key: &str) -> Item { ... }""",
}


@pytest.mark.parametrize(("path", "text"), [("a.go", GO), ("a.ts", TYPESCRIPT), ("a.rs", RUST)])
def test_other_languages(path: str, text: str) -> None:
    """Braces stay closed, and methods defined outside their type follow it."""
    assert SKELETONS[path] == text_of(described(text, "Store", path))


def test_a_constant() -> None:
    """A constant is shown unchanged."""
    assert "LIMIT: Final = 10" == text_of(described("LIMIT: Final = 10\n", "LIMIT"))


def test_a_table_is_not_described() -> None:
    """The first line of a long constant says nothing."""
    table = "TABLE = {\n" + '    "a": 1,\n' * 40 + "}\n"
    assert described(table, "TABLE").score == 0


def test_a_constant_without_a_value_is_not_described() -> None:
    """``Lock = None`` after a failed import says nothing about a lock."""
    assert described("Lock = None\n", "Lock").score == 0


def test_what_the_parser_mistakes_for_fields() -> None:
    """In a file without its middle, rests of bodies and of broken headers are not fields."""
    text = """\
class Chart:
    size: int = 3
    def draw(self, rows: list[str],\x20
             title: str = "") -> None:
        return None
    matrix[mask] = 1
    # a comment
    plot(matrix)
"""
    fields = [part.text for part in described(text, "Chart").parts if "draw" not in part.text]
    assert ["class Chart:", "    size: int = 3"] == fields


def test_a_method_stands_under_the_head_of_its_class() -> None:
    """A method comes with the head of its class, which says whose it is."""
    file = SourceFile("a.py", STORE)
    method = next(one for one in file.outline.definitions if one.name == "fetch_item")
    expected = "class Store(Base):\n    def fetch_item(self, key: str) -> Item: ..."
    assert expected == text_of(describe_method(file, method, 1.0))
