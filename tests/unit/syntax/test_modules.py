from __future__ import annotations

import pytest

from fimls.syntax.imports import targets
from fimls.syntax.modules import Import, Target
from fimls.syntax.outline import outline


class Listing:
    """A workspace of given files."""

    def __init__(self, *paths: str, **texts: str) -> None:
        self.paths = set(paths)
        self.texts = texts

    def exists(self, path: str) -> bool:
        """Whether it is one of them."""
        return path in self.paths

    def has_folder(self, path: str) -> bool:
        """Whether one of them lies in it."""
        return any(one.startswith(f"{path}/") for one in self.paths)

    def within(self, directory: str, suffixes: tuple[str, ...]) -> list[str]:
        """Those of a folder."""
        inside = [one for one in sorted(self.paths) if one.rpartition("/")[0] == directory]
        return [one for one in inside if one.endswith(suffixes)]

    def text(self, path: str) -> str | None:
        """The only file that resolving reads is go.mod."""
        return "module example.org/shop\n\ngo 1.22\n" if path.endswith("go.mod") else None


def resolve(statement: str, path: str, language_id: str, files: Listing) -> list[Target]:
    """Where the imports of a text lead."""
    found = outline(statement, language_id)
    assert found is not None
    return [target for one in found.imports for target in targets(one, path, language_id, files)]


@pytest.mark.parametrize(
    ("statement", "path", "present", "expected"),
    [
        (
            "from .models import User as U",
            "shop/api.py",
            ("shop/models.py", "shop/__init__.py"),
            [Target(("shop/models.py",), (("User", "U"),))],
        ),
        (
            "from ..core import Base",
            "shop/web/api.py",
            ("shop/core/__init__.py",),
            [Target(("shop/core/__init__.py",), (("Base", "Base"),))],
        ),
        (
            "from . import models",
            "shop/api.py",
            ("shop/models.py", "shop/__init__.py"),
            [
                Target(("shop/models.py",), namespace="models"),
                Target(("shop/__init__.py",)),
            ],
        ),
        (
            "from shop.models import User",
            "src/shop/api.py",
            ("src/shop/models.py", "src/shop/__init__.py"),
            [Target(("src/shop/models.py",), (("User", "User"),))],
        ),
        (
            "import shop.models as m",
            "tests/test_api.py",
            ("src/shop/models.py",),
            [Target(("src/shop/models.py",), namespace="m")],
        ),
        ("import json", "shop/api.py", ("shop/__init__.py", "shop/json.py"), []),
        ("from .gone import x", "shop/api.py", ("shop/api.py",), []),
    ],
)
def test_python(
    statement: str, path: str, present: tuple[str, ...], expected: list[Target]
) -> None:
    """Relative and absolute imports, packages, submodules and src folders; not the library's."""
    assert expected == resolve(statement, path, "python", Listing(*present))


def test_an_import_of_a_package_is_not_looked_for_inside_it() -> None:
    """In a package, `import json` is the library's although a json.py lies beside the file."""
    files = Listing("shop/__init__.py", "shop/json.py")
    assert [] == resolve("import json", "shop/api.py", "python", files)
    beside_a_script = Listing("tools/json.py")
    expected = [Target(("tools/json.py",), namespace="json")]
    assert expected == resolve("import json", "tools/run.py", "python", beside_a_script)


@pytest.mark.parametrize(
    ("statement", "present", "expected"),
    [
        ("import { a as b } from './util'", "web/util.ts", (("a", "b"),)),
        ("import { a } from './util.js'", "web/util.ts", (("a", "a"),)),
        ("import { a } from '../lib'", "lib/index.tsx", (("a", "a"),)),
        ("import { a } from '@/lib/x'", "src/lib/x.ts", (("a", "a"),)),
        ("import Store from './store'", "web/store.ts", (("Store", "Store"),)),
    ],
)
def test_scripts(statement: str, present: str, expected: tuple[tuple[str, str], ...]) -> None:
    """Relative paths with and without a suffix, index files, and the alias of the source folder."""
    found = resolve(statement, "web/app.ts", "typescript", Listing(present))
    assert [((present,), expected)] == [(target.paths, target.names) for target in found]


def test_a_script_library_is_no_file() -> None:
    """A bare name is a package of the registry."""
    assert [] == resolve(
        "import x from 'react'", "web/app.ts", "typescript", Listing("web/react.ts")
    )


def test_go() -> None:
    """A package is a folder below go.mod's module; its tests define nothing for others."""
    files = Listing("go.mod", "store/store.go", "store/item.go", "store/store_test.go")
    expected = [Target(("store/item.go", "store/store.go"), namespace="store")]
    source = 'package main\nimport "example.org/shop/store"\nimport "fmt"\n'
    assert expected == resolve(source, "cmd/main.go", "go", files)


@pytest.mark.parametrize(
    ("statement", "path", "expected"),
    [
        ("use crate::store::Item;", "src/api/mod.rs", ("src/store.rs",)),
        ("use super::models::User;", "src/api/users.rs", ("src/api/models.rs",)),
        ("use crate::api::models::User;", "src/main.rs", ("src/api/models.rs",)),
    ],
)
def test_rust(statement: str, path: str, expected: tuple[str, ...]) -> None:
    """Paths from crate and super lead to files, whichever way their folder is laid out."""
    files = Listing("src/store.rs", "src/api/mod.rs", "src/api/models.rs", "src/api/users.rs")
    assert expected in [target.paths for target in resolve(statement, path, "rust", files)]


def test_java() -> None:
    """A class is found below the source root, also from a test's."""
    files = Listing("src/main/java/org/shop/Item.java")
    for path in ("src/main/java/org/shop/web/Api.java", "src/test/java/org/shop/ApiTest.java"):
        found = resolve("import org.shop.Item;", path, "java", files)
        expected = [("src/main/java/org/shop/Item.java",)]
        assert expected == [target.paths for target in found]
        assert "Item" in [local for target in found for _, local in target.names]


@pytest.mark.parametrize("header", ["src/item.h", "include/item.h", "src/include/item.h"])
def test_c(header: str) -> None:
    """A header is found beside the file and in the usual folders above it."""
    found = resolve('#include "item.h"\n#include <stdio.h>\n', "src/item.c", "c", Listing(header))
    assert [Target((header,), (("*", "*"),))] == found


def test_a_language_without_rules() -> None:
    """It has no targets, and no error."""
    assert [] == targets(Import("x", (), ""), "a.kt", "kotlin", Listing("x.kt"))
