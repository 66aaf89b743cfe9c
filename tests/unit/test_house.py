"""What holds for all tests."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

_CLOCKS = {
    name + unit
    for name in ("monotonic", "perf_counter", "process_time", "thread_time", "time")
    for unit in ("", "_ns")
}
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def judged_by_the_clock(source: str) -> list[int]:
    """Return the lines with an ``assert`` that holds what a clock said against a number.

    What a clock said: an expression that asks one, and a name that stands for such an expression, a
    list of them or a function that returns one, in the same function.
    """
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, _Function)]
    return sorted({line for function in functions for line in _judged(function)})


def _judged(function: _Function) -> Iterator[int]:
    timed = {name for node in ast.walk(function) for name in _timed_names(node)}
    for statement in ast.walk(function):
        if not isinstance(statement, ast.Assert):
            continue
        for node in ast.walk(statement.test):
            if isinstance(node, ast.Compare):
                sides = [node.left, *node.comparators]
                for one, by, other in zip(sides, node.ops, sides[1:], strict=False):
                    ordered = isinstance(by, ast.Lt | ast.LtE | ast.Gt | ast.GtE)
                    for time, limit in ((one, other), (other, one)):
                        if ordered and _is_number(limit) and _says_time(time, timed):
                            yield statement.lineno


def _timed_names(node: ast.AST) -> Iterator[str]:
    """Return the names that a statement gives to what a clock said."""
    match node:
        case ast.Assign(targets=targets, value=value) if _says_time(value):
            yield from (target.id for target in targets if isinstance(target, ast.Name))
        case (
            ast.AnnAssign(target=ast.Name(name), value=ast.expr() as value)
            | ast.AugAssign(target=ast.Name(name), value=value)
            | ast.NamedExpr(target=ast.Name(name), value=value)
            | ast.Call(func=ast.Attribute(value=ast.Name(name), attr="append"), args=[value])
        ) if _says_time(value):
            yield name
        case ast.FunctionDef(name=name, body=body):
            returned = (one.value for one in body if isinstance(one, ast.Return))
            if any(value is not None and _says_time(value) for value in returned):
                yield name
        case _:
            pass


def _says_time(expression: ast.expr, timed: frozenset[str] | set[str] = frozenset()) -> bool:
    return any(
        (isinstance(node, ast.Call) and _is_clock(node.func))
        or (isinstance(node, ast.Name) and node.id in timed)
        for node in ast.walk(expression)
    )


def _is_clock(function: ast.expr) -> bool:
    match function:
        case ast.Attribute(value=ast.Name("time"), attr=name):
            return name in _CLOCKS
        case ast.Name(name):
            return name in _CLOCKS - {"time"}
        case _:
            return False


def _is_number(expression: ast.expr) -> bool:
    """Whether an expression consists of numbers, and of names in capitals."""
    return all(
        isinstance(node, ast.BinOp | ast.UnaryOp | ast.operator | ast.unaryop | ast.expr_context)
        or (isinstance(node, ast.Constant) and isinstance(node.value, int | float))
        or (isinstance(node, ast.Name) and node.id.isupper())
        for node in ast.walk(expression)
    )


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("assert time.monotonic() - began < 2", [2]),
        ("assert (time.perf_counter() - began) * 1000 <= 150 + 500", [2]),
        ("took = process_time() - began\n  assert 0.5 > took", [3]),
        ("took.append(time.time() - began)\n  assert min(took) < LIMIT_S", [3]),
        ("def took(): return time.thread_time() - began\n  assert took() >= 0.2", [3]),
        ("took = time.monotonic() - began\n  assert right and 0 <= took <= 3", [3]),
        ("one = time.monotonic_ns()\n  assert small < 8 * one", []),
        ("assert time.time() == pytest.approx(at, abs=60)", []),
        ("began = time.monotonic()\n  assert len(found) < 5", []),
        ("while time.monotonic() < 5: pass\n  assert clock.now < 5", []),
    ],
)
def test_what_is_judged_by_the_clock(code: str, expected: list[int]) -> None:
    """The rule below finds what it should, and leaves the rest alone."""
    assert expected == judged_by_the_clock(f"def test():\n  {code}\n")


def test_no_test_judges_by_the_clock() -> None:
    """A machine may be slow or busy: no test holds a time against a number.

    Speeds belong to benchmarks. A test counts work, puts events in order, brings a clock of its own
    (``tests/virtual_time.py``) or looks how work grows (``tests/growth.py``).
    """
    tests = Path(__file__).parents[1]
    found = [
        f"{path.relative_to(tests.parent)}:{line}"
        for path in sorted(tests.rglob("*.py"))
        for line in judged_by_the_clock(path.read_text(encoding="utf-8"))
    ]
    assert [] == found, "\n".join(found)
