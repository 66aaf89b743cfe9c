"""What is chosen for typing, by a seed."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from fimls.types import DocumentError
from training.evaluation.repository import copy_with_holes, read_repository
from training.evaluation.typing.dependencies import Names, imports_of, neighbours
from training.evaluation.typing.plan import (
    LOCAL,
    OTHER_FILE,
    Plan,
    find_functions,
    make_plan,
    typed_characters,
)
from training.evaluation.typing.rhythm import rhythm

MAIN = '''\
"""Adds."""
import asyncio
from . import shapes
from pkg.store import Store as Shop


def local(a, b):
    """Add."""
    # a comment first
    total = a + b
    total = total * 2
    return total


def imported(a):
    shop = Shop(a)
    shop.start()
    return shop


class Thing:
    def attribute(self, other):
        first = 1
        other.unusual_name(first)
        return asyncio.run(other)

    def short(self):
        return 1
'''
SOURCES = {
    "pkg/__init__.py": "",
    "pkg/main.py": MAIN,
    "pkg/store.py": "class Store:\n    def unusual_name(self):\n        self.run = 1\n",
    "pkg/shapes.py": "X = 1\n",
    "pkg/other.py": "Y = 1\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A repository on disk, with folders that don't count."""
    root = tmp_path / "project"
    for path, text in (SOURCES | {"node_modules/x.py": MAIN, ".venv/y.py": MAIN}).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return root


def plan_of(folder: Path, seed: int = 1, functions: int = 10) -> Plan:
    """Plan the functions of one repository."""
    return make_plan([read_repository(folder)], functions=functions, seed=seed)


def test_functions_begin_after_signature_and_docstring() -> None:
    """The comment first belongs to the body; one line is too short to type."""
    found = {one.name: MAIN[one.start : one.end] for one in find_functions(MAIN, "python")}
    assert ["local", "imported", "attribute"] == list(found)
    assert found["local"].startswith("\n    # a comment first\n")
    assert found["local"].endswith("return total")


@pytest.mark.parametrize(
    ("language_id", "text", "name"),
    [
        ("go", "func Add(a int) int {\n\tx := a\n\ty := x\n\treturn y\n}\n", "Add"),
        ("c", "int add(int a)\n{\n  int x = a;\n  x++;\n  return x;\n}\n", "add"),
        (
            "java",
            "class A {\n  int add() {\n    int x;\n    x = 1;\n    return x;\n  }\n}\n",
            "add",
        ),
        ("typescript", "function add(): X {\n  let x;\n  x = 1;\n  return x;\n}\n", "add"),
        ("rust", "fn add() -> X {\n    let x;\n    x = 1;\n    x\n}\n", "add"),
    ],
)
def test_bodies_between_braces(language_id: str, text: str, name: str) -> None:
    """What is typed is everything between the braces but the last line end."""
    (found,) = find_functions(text, language_id)
    assert (name, "{", "\n") == (found.name, text[found.start - 1], text[found.start])
    assert "}" == text[found.end :].strip(" \n}") + "}"
    assert 3 == text[found.start : found.end].count("\n")


def test_kinds() -> None:
    """A body needs another file for an imported name or an attribute that only others define."""
    names = Names(SOURCES)
    kinds = {
        one.name: names.needs_other_file("pkg/main.py", one.start, one.end)
        for one in find_functions(MAIN, "python")
    }
    assert {"local": False, "imported": True, "attribute": True} == kinds


def test_a_librarys_attribute_is_no_workspace_name() -> None:
    """``asyncio.run`` needs no file, though one of the workspace sets a ``run``."""
    text = "import asyncio\n\n\ndef f(a):\n    b = asyncio.run(a)\n    c = b\n    return c\n"
    names = Names(SOURCES | {"pkg/lib.py": text})
    (function,) = find_functions(text, "python")
    assert not names.needs_other_file("pkg/lib.py", function.start, function.end)


def test_imports_are_followed() -> None:
    """Relative and absolute modules are found; what isn't in the workspace comes from outside."""
    found = imports_of(MAIN, "pkg/main.py", SOURCES)
    expected = [("shapes", "pkg/shapes.py"), ("Shop", "pkg/store.py"), ("asyncio", None)]
    assert expected == found


def test_script_imports_are_followed() -> None:
    """A path without its suffix names a file of the same folder."""
    text = "import {a, b as c} from './util'\nimport fs from 'fs'\nconst d = require('../top.js')\n"
    files = {"src/util.ts", "top.js"}
    found = imports_of(text, "src/main.ts", files)
    util = [(name, "src/util.ts") for name in "ac"]
    assert [*util, ("fs", None), ("d", "top.js")] == found


def test_neighbours_are_imports_and_siblings() -> None:
    """Two imported files come first, the third is from the folder."""
    found = neighbours("pkg/main.py", SOURCES, random.Random(0))  # noqa: S311 - a repeatable choice
    assert {"pkg/shapes.py", "pkg/store.py"} == set(found[:2])
    assert 3 == len(found)
    assert found[2] in {"pkg/other.py", "pkg/__init__.py"}


def test_folders_that_do_not_count_are_left_out(folder: Path) -> None:
    """Dependencies and environments are neither typed nor copied."""
    assert tuple(sorted(SOURCES)) == read_repository(folder).files


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    """The message names it."""
    with pytest.raises(DocumentError, match="nowhere is not a folder"):
        read_repository(tmp_path / "nowhere")


def test_a_folder_without_functions_is_an_error(tmp_path: Path) -> None:
    """Nothing to type is said before a server is started."""
    with pytest.raises(DocumentError, match="no function of 3 to 25 lines"):
        plan_of(tmp_path)


def test_the_seed_decides_everything(folder: Path, tmp_path: Path) -> None:
    """The same seed gives the same plan wherever the folder lies; another seed another one."""
    copy = tmp_path / "elsewhere" / "project"
    repository = read_repository(folder)
    copy_with_holes(repository, copy, {})
    assert plan_of(folder).tasks == plan_of(copy).tasks
    assert plan_of(folder).fingerprint == plan_of(copy).fingerprint
    assert plan_of(folder).fingerprint != plan_of(folder, seed=2).fingerprint


def test_at_most_two_functions_of_a_file(folder: Path) -> None:
    """One large file doesn't fill a plan."""
    tasks = plan_of(folder).tasks
    assert [("pkg/main.py", "python")] * 2 == [(one.path, one.language_id) for one in tasks]
    assert {one.kind for one in tasks} <= {LOCAL, OTHER_FILE}


def test_a_body_that_occurs_elsewhere_is_not_chosen(folder: Path) -> None:
    """It would be found there, and copied."""
    (folder / "pkg" / "copy.py").write_text(MAIN, encoding="utf-8")
    with pytest.raises(DocumentError):
        plan_of(folder)


def test_the_copy_has_holes(folder: Path, tmp_path: Path) -> None:
    """What is yet to be typed is on no disk that the server sees."""
    plan = plan_of(folder)
    copy_with_holes(plan.repositories[0], tmp_path / "copy", plan.holes(0))
    left = (tmp_path / "copy" / "pkg" / "main.py").read_text(encoding="utf-8")
    assert all(task.body not in left for task in plan.tasks)
    assert len(MAIN) == len(left) + sum(len(task.body) for task in plan.tasks)
    assert SOURCES["pkg/store.py"] == (tmp_path / "copy/pkg/store.py").read_text(encoding="utf-8")


def test_indentation_is_not_typed() -> None:
    """The editor sets it."""
    assert len("\nif a:\nb") == typed_characters("\n    if a:\n        b")


def test_rhythm_is_human() -> None:
    """Keys take about 120 ms in a word and longer before one; a few slip and are taken back."""
    body = "\n    value = other.method(argument)" * 200
    keys = rhythm(body, random.Random(1))  # noqa: S311 - repeatable
    inside = sorted(keys[at].pause_ms for at in range(len(body)) if body[at - 1 : at + 1] == "th")
    before = sorted(keys[at].pause_ms for at in range(len(body)) if body[at] == "v")
    assert len(body) == len(keys)
    assert 90 < inside[len(inside) // 2] < 140 < before[len(before) // 2]
    slips = [key for key in keys if key.slip]
    assert 0.003 < len(slips) / len(keys) < 0.02
    assert all(2 * len(key.slip) == len(key.correction_ms) for key in slips)
