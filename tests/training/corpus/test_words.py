from __future__ import annotations

import pytest

from training.corpus.words import find_blocks

PYTHON = """import os

class Shape:
    sides = 0

    def area(self):
        # comment
        a = 1
        b = 2

        c = 3
        return a + b + c

    def name(self):
        return "x"

async def outer():
    def inner():
        one()
        two()
    three()
    four()
    return inner
"""
GO = """package main

func Add(
\ta int,
\tb int,
) int {
\tx := a
\tif x > b {
\t\treturn b
\t}
\treturn x
}
"""
JAVA = """public final class Shape {
  private int x;
  int area()
  {
    int a = 1;
    int b = 2;
    int c = 3;
    return a * b * c;
  }
}
"""


@pytest.mark.parametrize(
    ("text", "firsts"),
    [
        (PYTHON, ["    def area(self):", "async def outer():"]),
        (GO, [") int {"]),
        (JAVA, ["  {"]),
        ("", []),
        ("\n\n", []),
        ("   \n  x", []),
    ],
)
def test_functions_are_found_by_indentation(text: str, firsts: list[str]) -> None:
    """Outermost blocks of five lines and more are found, methods of classes among them."""
    blocks = [text.encode()[start:end].decode() for start, end in find_blocks(text.encode())]
    assert firsts == [block.split("\n")[0] for block in blocks]


def test_a_block_ends_with_its_last_deeper_line() -> None:
    """The empty lines after a function aren't part of it."""
    data = PYTHON.encode()
    last = find_blocks(data)[0]
    assert data[slice(*last)].endswith(b"return a + b + c")
