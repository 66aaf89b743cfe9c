"""The benchmark that leaves one step out at a time."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fimls.types import Mode

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture(scope="module")
def ablation() -> Iterator[Any]:
    """The benchmark's script as a module; it finds its neighbours as scripts do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield importlib.import_module("postprocess_ablation")


def task_of(ablation: Any, middle: str) -> Any:
    """A function's task whose middle is its whole body but for the last line."""
    return ablation.Task(
        id="a",
        problem="a",
        prefix="def f(a):\n",
        suffix="    return [total, a]\n",
        middle=middle,
        test="def check(f):\n    assert f(1) == [2, 1]\n",
        entry_point="f",
    )


def test_ablate(ablation: Any) -> None:
    """The step that a task needs is the one without which it fails."""
    task = task_of(ablation, "    total = a + 1\n")
    text = "    total = a + 1\n    return [total, a]\n    return None\n"
    answers = {"a": {"id": "a", "text": text, "finish_reason": "stop"}}
    result = ablation.ablate([task], answers, Mode.MULTI)
    passed = result["pass_at_1_percent_without"]
    assert 100 == passed[ablation.NOTHING]
    assert 0 == passed["line break"]
    assert 1 == result["changed"]["repeats the lines below"]
    assert 0 == result["changed"]["prose"]


def test_references_changed(ablation: Any) -> None:
    """A reference that a step would cut counts, one that stays as it is doesn't."""
    kept, cut = (
        task_of(ablation, middle) for middle in ("    total = a\n", "    total = a\nb = 2\n")
    )
    assert 50 == ablation.references_changed_percent([kept, cut], Mode.MULTI)
