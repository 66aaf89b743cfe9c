from __future__ import annotations

from typing import Any

import pytest

from tests.training.evaluation.rows import make_row
from training.evaluation.comparison import binomial_p, change, compare, decide
from training.evaluation.figures import ALL, BY_NAME
from training.types import EvaluationError


def test_change_is_paired() -> None:
    """Each item is compared with itself: gains and losses are counted, not rates alone."""
    pairs = [
        (make_row(f"r{n}", exact=before), make_row(f"r{n}", exact=after))
        for n, (before, after) in enumerate(
            [(False, True)] * 9 + [(True, False)] * 1 + [(True, True)] * 10
        )
    ]
    found = change(pairs, BY_NAME["exact"], 0)
    assert found is not None
    assert (0.55, 0.95, 9, 1) == (found.before.value, found.after.value, found.better, found.worse)
    assert found.difference.low is not None
    assert found.difference.low > 0
    assert found.mcnemar_p == found.sign_p == binomial_p(9, 1) == pytest.approx(0.0215)


def test_clusters_that_move_together_count_once() -> None:
    """Ten items of one file that all become right are one piece of evidence to the sign test."""
    pairs = [
        (make_row(f"r{n}", cluster="c", exact=False), make_row(f"r{n}", cluster="c"))
        for n in range(10)
    ]
    found = change(pairs, BY_NAME["exact"], 0)
    assert found is not None
    assert (1.0, None) == (found.sign_p, found.difference.low)
    assert found.mcnemar_p is not None
    assert found.mcnemar_p < 0.01


@pytest.mark.parametrize(
    ("one", "other", "p"),
    [(0, 0, None), (1, 0, 1.0), (5, 5, 1.0), (10, 0, 0.00195), (2000, 0, 0.0), (3000, 3000, 1.0)],
)
def test_binomial_p(one: int, other: int, p: float | None) -> None:
    """The exact two-sided test, for large counts too."""
    assert p == binomial_p(one, other)


def test_compare_takes_common_items() -> None:
    """Only what both runs have is compared; nothing in common is an error."""
    before, after = [make_row("a"), make_row("b")], [make_row("b"), make_row("c")]
    assert 1 == compare(before, after, 0)[ALL][ALL]["items"]
    with pytest.raises(EvaluationError, match="no item in common"):
        compare(before[:1], after, 0)


def changes(gained: int, lost: int, same: int, **fields: Any) -> Any:
    """Compare two runs of which the second gains and loses so many items."""
    outcomes = [(False, True)] * gained + [(True, False)] * lost + [(True, True)] * same
    before, after = (
        [
            make_row(f"r{n}", exact=pair[side], **{key: [pair[side]] for key in fields})
            for n, pair in enumerate(outcomes)
        ]
        for side in (0, 1)
    )
    return compare(before, after, 0)


BETTER, SAME, WORSE = changes(30, 2, 68), changes(3, 3, 194), changes(2, 30, 68)


def test_better_and_nothing_forgotten_is_promoted() -> None:
    """The sentence has both suites, the values and their interval."""
    decision = decide({"mine": BETTER}, {"general": SAME})
    assert decision.promote
    assert decision.sentence.startswith("promoted: exact match on mine 70.0% -> 98.0%, difference")
    assert "no worse than the margin of -5.0%" in decision.sentence


@pytest.mark.parametrize(
    ("own", "general", "why"),
    [
        pytest.param(SAME, SAME, "exact match on mine .* not surely better", id="no gain"),
        pytest.param(WORSE, SAME, "mine .* worse$", id="worse"),
        pytest.param(BETTER, WORSE, "general .* worse than the margin", id="forgets"),
        pytest.param(BETTER, changes(9, 9, 30), "may be worse than", id="too few to tell"),
        pytest.param(changes(1, 0, 0), SAME, "can't tell", id="one file"),
        pytest.param(changes(0, 0, 50), SAME, "not surely better", id="the same answers"),
    ],
)
def test_anything_else_is_refused(own: Any, general: Any, why: str) -> None:
    """The sentence names what speaks against it."""
    import re

    decision = decide({"mine": own}, {"general": general})
    assert not decision.promote
    assert re.search(f"^not promoted: .*{why}", decision.sentence)


def test_the_margin_is_a_choice() -> None:
    """What is forgotten may be worth it to somebody."""
    assert decide({"mine": BETTER}, {"general": WORSE}, margin=0.5).promote


def test_tests_decide_where_there_are_any() -> None:
    """pass@1 is better evidence than equal text."""
    assert "pass@1 on mine" in decide({"mine": changes(30, 2, 68, passed=[])}, {"g": SAME}).sentence


def test_both_suites_are_needed() -> None:
    """Without a general suite forgetting would go unseen."""
    with pytest.raises(EvaluationError, match="general"):
        decide({"mine": BETTER}, {})
