from __future__ import annotations

from pathlib import Path

import pytest

from fimls.context.index import Window
from fimls.context.query import Region, Session
from tests.unit.context.workspaces import CURSOR, FakeIndex, candidates, picked, query, texts, write

MODELS = '''\
class Item(Base):
    """A thing."""

    name: str

    def price_in(self, currency: str) -> Decimal:
        return 1


def load_items(path: str, limit: int = 10) -> list[Item]:
    """Load them."""
    return []


def save_all(items: list[Item]) -> None:
    pass
'''


class TestImports:
    """Definitions that are imported."""

    def test_signature_of_an_imported_function(self, tmp_path: Path) -> None:
        """What is imported and about to be used comes with its signature."""
        write(tmp_path, {"shop/models.py": MODELS})
        code = f"from .models import load_items\n\n\ndef main(path):\n    items = {CURSOR}\n"
        chosen = picked(query(tmp_path, "shop/main.py", code))
        expected = "def load_items(path: str, limit: int = 10) -> list[Item]: ...\n"
        assert {"shop/models.py": expected} == texts(chosen)

    def test_members_of_an_annotation(self, tmp_path: Path) -> None:
        """A parameter's class comes with what its instances have."""
        write(tmp_path, {"shop/models.py": MODELS})
        code = f"from shop.models import Item\n\n\ndef show(item: Item):\n    item.{CURSOR}\n"
        text = texts(picked(query(tmp_path, "main.py", code)))["shop/models.py"]
        assert text.startswith("class Item(Base):\n    name: str\n    def price_in(self, currency")

    def test_methods_of_the_base_class(self, tmp_path: Path) -> None:
        """A class that inherits from another file's gets that one's methods."""
        base = "class Handler:\n    def handle(self, request: Request) -> Response: ...\n"
        write(tmp_path, {"web/base.py": base})
        code = "from web.base import Handler\n\n\nclass Echo(Handler):\n    def handle(self"
        assert base == texts(picked(query(tmp_path, "web/echo.py", code + CURSOR)))["web/base.py"]

    def test_a_name_is_followed_through_packages(self, tmp_path: Path) -> None:
        """A package that hands a name on is not where it is defined."""
        init = "from .inner import *\nfrom ._models import load_items as load_items\n"
        write(tmp_path, {"shop/__init__.py": init, "shop/_models.py": MODELS, "shop/inner.py": ""})
        code = f"from shop import load_items\n\nitems = {CURSOR}\n"
        assert ["shop/_models.py"] == list(texts(picked(query(tmp_path, "main.py", code))))

    def test_imports_in_a_circle(self, tmp_path: Path) -> None:
        """Two files that import a name from each other and define it nowhere end the search."""
        write(tmp_path, {"a.py": "from b import x\n", "b.py": "from a import x\n"})
        assert [] == candidates(query(tmp_path, "c.py", f"from a import x\n{CURSOR}"), "imports")

    def test_what_a_function_returns(self, tmp_path: Path) -> None:
        """The class of a result whose members are used comes too, though nobody imports it."""
        write(tmp_path, {"shop/models.py": MODELS + "\n\ndef first() -> Item:\n    pass\n"})
        code = f"from shop.models import first\n\n\ndef f():\n    one = first()\n    one.{CURSOR}\n"
        assert "def price_in" in texts(picked(query(tmp_path, "main.py", code)))["shop/models.py"]

    def test_functions_of_a_module(self, tmp_path: Path) -> None:
        """A module that is imported as a whole comes with its public functions."""
        module = "def print_error(text): ...\n\n\ndef new_line(): ...\n\n\ndef _hidden(): ...\n"
        write(tmp_path, {"app/output.py": module})
        code = f"from app import output\n\n\ndef f():\n    output.{CURSOR}\n"
        text = texts(picked(query(tmp_path, "app/main.py", code)))["app/output.py"]
        assert "def print_error(text): ...\ndef new_line(): ...\n" == text

    def test_an_unused_import_comes_before_a_used_one(self, tmp_path: Path) -> None:
        """Where there is room for one, it's the one that the file hasn't used yet."""
        write(tmp_path, {"m.py": "def used(a): ...\n\n\ndef fresh(b): ...\n"})
        code = f"from m import used, fresh\n\n\ndef f():\n    used(1)\n    {CURSOR}\n"
        chosen = picked(query(tmp_path, "main.py", code), budget_tokens=6)
        assert {"m.py": "def fresh(b): ...\n"} == texts(chosen)

    def test_what_is_far_is_not_sent(self, tmp_path: Path) -> None:
        """An import that nothing near the cursor speaks for is below the threshold."""
        write(tmp_path, {"m.py": "def parse_header(text): ...\n"})
        code = "from m import parse_header\n\nparse_header(1)\n" + "x = 1\n" * 60 + CURSOR
        chosen = picked(query(tmp_path, "main.py", code, shown_chars=50), sources={"imports"})
        assert {} == texts(chosen)
        assert ["below threshold"] == [one.reason for one in chosen.selection.considered]

    @pytest.mark.parametrize(
        ("files", "path", "code", "expected"),
        [
            (
                {"web/store.ts": "export class Store {\n  get(key: string): Item {\n  }\n}\n"},
                "web/app.ts",
                "import {{ Store }} from './store';\n\nfunction f(s: Store) {{\n  s.{}\n}}\n",
                "export class Store {\n  get(key: string): Item { ... }\n}\n",
            ),
            (
                {
                    "go.mod": "module example.org/shop\n",
                    "db/db.go": "package db\n\nfunc Open(path string) *Store {\n\treturn nil\n}\n",
                },
                "main.go",
                'package main\n\nimport "example.org/shop/db"\n\nfunc f() {{\n\ts := db.{}\n}}\n',
                "func Open(path string) *Store { ... }\n",
            ),
            (
                {"src/store.rs": "pub fn open(path: &str) -> Store {\n    x\n}\n"},
                "src/main.rs",
                "use crate::store::open;\n\nfn main() {{\n    let s = {}\n}}\n",
                "pub fn open(path: &str) -> Store { ... }\n",
            ),
            (
                {"src/org/shop/Store.java": "class Store {\n  Item get(String k) {\n  }\n}\n"},
                "src/org/shop/web/App.java",
                "import org.shop.Store;\n\nclass App {{\n  int f(Store s) {{\n    s.{}\n  }}\n}}\n",
                "class Store {\n  Item get(String k) { ... }\n}\n",
            ),
            (
                {"src/store.h": "int store_open(const char *path);\n"},
                "src/main.c",
                '#include "store.h"\n\nint main(void) {{\n  int s = store_open({}\n}}\n',
                "int store_open(const char *path);\n",
            ),
        ],
        ids=["typescript", "go", "rust", "java", "c"],
    )
    def test_other_languages(
        self, tmp_path: Path, files: dict[str, str], path: str, code: str, expected: str
    ) -> None:
        """Every language with imports gets what is behind them."""
        write(tmp_path, files)
        chosen = picked(query(tmp_path, path, code.format(CURSOR)), sources={"imports"})
        assert [expected] == list(texts(chosen).values())


class TestNames:
    """Definitions that the index finds by their names."""

    def test_a_package_needs_no_imports(self, tmp_path: Path) -> None:
        """In Go, the files of a folder see each other; another folder's same name is not meant."""
        write(
            tmp_path,
            {
                "db/store.go": "package db\n\nfunc openStore(path string) *Store {\n}\n",
                "x/store.go": "package x\n\nfunc openStore() {\n}\n",
            },
        )
        index = FakeIndex({"openStore": ["x/store.go", "db/store.go"]})
        code = f"package db\n\nfunc f() {{\n\ts := openStore({CURSOR}\n}}\n"
        found = candidates(query(tmp_path, "db/user.go", code), "names", index)
        assert [("db/store.go", "openStore")] == [(one.path, one.name) for one in found]

    def test_a_member_of_an_unknown_receiver(self, tmp_path: Path) -> None:
        """A method that only one class has is the one; one that many have is left out."""
        write(
            tmp_path,
            {"a.py": "class A:\n    def fetch_rates(self, day): ...\n    def reset(self): ...\n"},
        )
        index = FakeIndex({"fetch_rates": ["a.py"], "reset": ["a.py", "b.py", "c.py"]})
        code = f"def f(it):\n    it.fetch_rates(1)\n    it.reset()\n    {CURSOR}\n"
        found = candidates(query(tmp_path, "m.py", code), "names", index)
        assert ["fetch_rates"] == [one.name for one in found]

    def test_known_words_are_not_looked_up(self, tmp_path: Path) -> None:
        """Builtins, methods of builtin types and the file's own names need no definition."""
        index = FakeIndex({"append": ["a.py"], "own": ["a.py"], "local": ["a.py"]})
        code = f"def own(): ...\n\n\ndef f(local):\n    own()\n    [].append(local){CURSOR}\n"
        assert [] == candidates(query(tmp_path, "m.py", code), "names", index)


class TestSameFile:
    """What the window doesn't show of the file itself."""

    def test_outside_the_window(self, tmp_path: Path) -> None:
        """Imports that bind what may be needed, and definitions that are named at the cursor."""
        code = (
            "from a import Decimal, unrelated\nimport json\n\nunrelated(json)\n\n"
            "class Rates:\n    def convert(self, amount): ...\n\n" + "x = 1\n" * 100
        )
        code += f"def f(rates: Rates):\n    rates.{CURSOR}\n"
        chosen = picked(query(tmp_path, "m.py", code, shown_chars=100))
        expected = "from a import Decimal\nclass Rates:\n    def convert(self, amount): ...\n"
        assert {"m.py": expected} == texts(chosen)

    def test_inside_the_window(self, tmp_path: Path) -> None:
        """What the window shows is not said again."""
        code = f"import json\n\n\ndef g(): ...\n\n\ndef f():\n    g({CURSOR})\n"
        assert [] == candidates(query(tmp_path, "m.py", code), "same-file")

    def test_members_of_the_own_class(self, tmp_path: Path) -> None:
        """Private methods of the class at the cursor count; the method at the cursor doesn't."""
        code = "class A:\n    def _merge(self, other): ...\n\n" + "    x = 1\n" * 100
        code += f"    def f(self):\n        return self._merge({CURSOR}\n"
        chosen = picked(query(tmp_path, "m.py", code, shown_chars=60))
        assert "    def _merge(self, other): ..." in texts(chosen)["m.py"].split("\n")
        assert "def f" not in texts(chosen)["m.py"]


class TestSiblings:
    """Tests and sources, headers and implementations."""

    @pytest.mark.parametrize(
        ("test", "source"),
        [
            ("tests/test_parse.py", "parse.py"),
            ("tests/unit/test_parse.py", "unit/parse.py"),
            ("shop/tests/test_parse.py", "shop/parse.py"),
            ("shop/parse_test.py", "shop/parse.py"),
            ("tests/test_parse.py", "src/parse.py"),
        ],
    )
    def test_a_test_gets_its_source(self, tmp_path: Path, test: str, source: str) -> None:
        """The function that a test's name tells of, from the file that the test's path tells of."""
        write(tmp_path, {source: "def parse_header(line): ...\n\n\ndef other(): ...\n"})
        code = f"def test_parse_header_strips():\n    {CURSOR}\n"
        found = candidates(query(tmp_path, test, code), "siblings")
        assert [(source, "parse_header")] == [(one.path, one.name) for one in found]

    def test_a_source_gets_its_test(self, tmp_path: Path) -> None:
        """The lines of the test that call the function at the cursor."""
        test = "def test_other():\n    pass\n\n\ndef test_it():\n    assert parse('a') == 1\n"
        write(tmp_path, {"tests/test_text.py": test})
        code = f"def parse(line):\n    {CURSOR}\n"
        found = candidates(query(tmp_path, "text.py", code), "siblings")
        assert ["def test_it():\n    assert parse('a') == 1"] == [one.required for one in found]

    def test_an_implementation_gets_its_header(self, tmp_path: Path) -> None:
        """Without an include, too."""
        write(tmp_path, {"include/store.h": "int store_open(const char *path);\n"})
        code = f"int main(void) {{\n  return store_open({CURSOR}\n}}\n"
        found = candidates(query(tmp_path, "src/store.c", code), "siblings")
        assert ["int store_open(const char *path);"] == [one.required for one in found]


BLOCK = """\
def export_orders(session, writer):
    orders = session.query(Order).filter(Order.paid)
    for order in orders:
        writer.writerow([order.number, order.total, order.customer])
    writer.flush()
"""


class TestWindows:
    """Similar, recent, changed and copied code."""

    CODE = (
        "def export_invoices(session, writer):\n"
        "    invoices = session.query(Invoice).filter(Invoice.paid)\n"
        f"    for invoice in invoices:\n        writer.writerow([invoice.number, {CURSOR}\n"
    )

    def test_lexical(self, tmp_path: Path) -> None:
        """A block much like the one at the cursor is found; the file itself never is."""
        write(tmp_path, {"orders.py": "x = 1\n" * 40 + BLOCK, "invoices.py": BLOCK})
        windows = [Window("invoices.py", 0, 5, 9.0), Window("orders.py", 30, 45, 8.0)]
        index = FakeIndex(windows=windows)
        chosen = picked(query(tmp_path, "invoices.py", self.CODE), index, sources={"lexical"})
        assert ["orders.py"] == list(texts(chosen))
        assert "        writer.writerow([order.number" in texts(chosen)["orders.py"]
        assert "session" in index.searched[0]
        assert "def" not in index.searched[0]

    def test_lexical_needs_more_than_some_words(self, tmp_path: Path) -> None:
        """A window that shares a few common words is not worth its tokens."""
        write(tmp_path, {"other.py": "def f(session):\n    return session.number\n"})
        index = FakeIndex(windows=[Window("other.py", 0, 2, 9.0)])
        chosen = picked(query(tmp_path, "invoices.py", self.CODE), index, sources={"lexical"})
        assert {} == texts(chosen)

    @pytest.mark.parametrize("source", ["recent", "git"])
    def test_touched_regions(self, tmp_path: Path, source: str) -> None:
        """What was edited lately is sent where it resembles the code at the cursor."""
        write(tmp_path, {"orders.py": BLOCK, "readme.py": "print('hello')\n" * 20})
        regions = (Region("readme.py", 0, 5), Region("orders.py", 1, 3))
        session = Session(
            recent=regions if source == "recent" else (),
            changed=regions if source == "git" else (),
        )
        chosen = picked(query(tmp_path, "invoices.py", self.CODE), session=session)
        assert ["orders.py"] == list(texts(chosen))

    def test_a_region_of_a_file_that_shrank(self, tmp_path: Path) -> None:
        """A region behind a file's end is no error and gives nothing."""
        write(tmp_path, {"orders.py": "x\n"})
        session = Session(recent=(Region("orders.py", 500, 510), Region("gone.py", 0, 1)))
        found = candidates(query(tmp_path, "a.py", self.CODE), "recent", session=session)
        assert [] == found
