from __future__ import annotations

from pathlib import Path

import pytest

from fimls.context.surroundings import Surroundings, subwords, surroundings
from tests.unit.context.workspaces import CURSOR, query


def look(code: str, path: str = "a.py", shown_chars: int = 10_000) -> Surroundings:
    """The surroundings of the cursor in some code."""
    return surroundings(query(Path("/w"), path, code, shown_chars))


def test_nearness_falls_with_the_distance() -> None:
    """Names beside the cursor are nearest; the enclosing function is nearer than code outside."""
    code = "far = 1\n" + "x = 0\n" * 40 + "def f():\n    inside = 1\n" + "    y = 2\n" * 30
    around = look(f"{code}    beside = 1\n    {CURSOR}\n")
    assert around.near("beside") == 1.0
    assert around.near("beside") > around.near("inside") > around.near("far") > 0
    assert around.near("nowhere") == 0


def test_an_import_statement_is_no_use_of_its_names() -> None:
    """Unused imports are known; keywords aren't names."""
    code = "import os\nfrom a import (\n    used,\n    unused as other,\n)\n"
    around = look(f"{code}\ndef f():\n    used()\n    {CURSOR}\n")
    assert {"other", "os"} == around.unused
    assert around.near("used") == 1.0
    assert around.near("other") == 0
    assert around.near("def") == 0
    statement = "from a import ( used, unused as other, )"
    assert ["import os", statement] == [line.content for line in around.imports]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("a.cs", "namespace A {\n  class B {\n    int Total;\n    |\n  }\n}\n"),
        ("a.php", "<?php\nnamespace A {\n  class B {\n    var $Total;\n    |\n  }\n}\n"),
    ],
)
def test_a_namespace_in_braces_is_no_import(path: str, code: str) -> None:
    """What a namespace holds is code, also where its brace is on the same line."""
    around = look(code.replace("|", CURSOR), path)
    assert (1, 1) == (around.counts["B"], around.counts["Total"])


def test_a_module_that_hands_names_on_has_no_unused_ones() -> None:
    """If nearly all imports are unused, none is expected next."""
    names = ", ".join(f"name{number}" for number in range(20))
    assert frozenset() == look(f"from a import {names}\n{CURSOR}\n").unused


MADE = """\
class A:
    def __init__(self):
        self.store = Store(1)

    def f(self):
        self.store.{}
"""
GIVEN = """\
class A:
    def __init__(self, given: Store):
        self.store = given

    def f(self):
        self.store.{}
"""


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("a.py", "def f(store: Store):\n    store.{}\n"),
        ("a.py", "def f():\n    store = Store(1)\n    store.{}\n"),
        ("a.py", "async def f():\n    async with Store(1) as store:\n        store.{}\n"),
        ("a.py", MADE),
        ("a.py", GIVEN),
        ("a.ts", "function f(store: Store) {{\n  store.{}\n}}\n"),
        ("a.ts", "function f() {{\n  const store = new Store(1);\n  store.{}\n}}\n"),
        ("a.go", "package a\n\nfunc f(store *Store) {{\n\tstore.{}\n}}\n"),
        ("a.go", "package a\n\nfunc f() {{\n\tstore := &db.Store{{}}\n\tstore.{}\n}}\n"),
        ("a.rs", "fn f(store: &Store) {{\n    store.{}\n}}\n"),
        ("a.rs", "fn f() {{\n    let store = Store::new(1);\n    store.{}\n}}\n"),
        ("a.java", "class A {{\n  void f(Store store) {{\n    store.{}\n  }}\n}}\n"),
        ("a.cpp", "void f(Store *store) {{\n  store->{}\n}}\n"),
    ],
)
def test_a_receiver_stands_for_its_type(path: str, code: str) -> None:
    """The declared type or the constructor of a variable is as near as the variable."""
    around = look(code.format("x" + CURSOR), path)
    assert "Store" in around.receivers
    assert around.near("Store") >= 0.75


def test_another_functions_variable_is_not_this_one() -> None:
    """A local variable of the same name elsewhere says nothing."""
    code = f"def f(store: Wrong):\n    store.x\n\ndef g(store: Right):\n    store.y{CURSOR}\n"
    around = look(code)
    assert "Right" in around.receivers
    assert "Wrong" not in around.receivers


def test_the_file_is_seen_without_its_middle() -> None:
    """The function and the class around the cursor are known while a body is missing."""
    around = look(f"class A(Base):\n    def f(self):\n        {CURSOR}\n\n    def g(self): ...\n")
    assert around.function is not None
    assert around.owner is not None
    assert ("f", "A") == (around.function.name, around.owner.name)
    assert around.near("Base") >= 0.9


def test_likeness() -> None:
    """Likeness is the share of a name's sub-words that occur beside the cursor."""
    around = look(f"def parse_header(line):\n    {CURSOR}\n")
    assert around.likeness("HeaderParser") == 0.5
    assert around.likeness("parse_header_line") == 1.0
    assert around.likeness("render") == 0


def test_subwords() -> None:
    """Underscores and capitals split a name; one or two letters aren't words."""
    assert {"parse", "http", "header"} == subwords("_parseHTTPHeader_v2")
