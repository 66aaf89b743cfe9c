"""The benchmark that leaves one step out at a time."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fimls.types import FinishReason, Generation, Mode
from training.evaluation.execution import Verdict
from training.evaluation.suites import Item

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture(scope="module")
def ablation() -> Iterator[Any]:
    """The benchmark's script as a module; it finds its neighbours as scripts do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield importlib.import_module("postprocess_ablation")


class Judge:
    """Passes a body that makes ``[2, 1]`` of 1."""

    def __call__(self, completion: str) -> Verdict:
        """See :class:`training.evaluation.suites.base.Judge`."""
        return Verdict(completion == "    total = a + 1\n")


def item_of(middle: str) -> Item:
    """A function whose middle is its whole body but for the last line."""
    return Item(
        id="a",
        cluster="a",
        kind="multi",
        path="",
        language_id="python",
        prefix="def f(a):\n",
        suffix="    return [total, a]\n",
        reference=middle,
        mode=Mode.MULTI,
        judge=Judge(),
    )


def test_ablate(ablation: Any) -> None:
    """The step that an item needs is the one without which it fails."""
    item = item_of("    total = a + 1\n")
    text = "    total = a + 1\n    return [total, a]\n    return None\n"
    written = Generation((), text, (), FinishReason.STOP)
    result = ablation.ablate([item], [written], Mode.MULTI)
    passed = result["pass_at_1_percent_without"]
    assert 100 == passed[ablation.NOTHING]
    assert 0 == passed["line break"]
    assert 1 == result["changed"]["repeats the lines below"]
    assert 0 == result["changed"]["prose"]


def test_references_changed(ablation: Any) -> None:
    """A reference that a step would cut counts, one that stays as it is doesn't."""
    kept, cut = (item_of(middle) for middle in ("    total = a\n", "    total = a\nb = 2\n"))
    assert 50 == ablation.references_changed_percent([kept, cut])
