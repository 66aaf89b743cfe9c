from __future__ import annotations

import pytest

from tests.training.evaluation.rows import ListSuite, make_item
from training.evaluation.run import make_plan
from training.evaluation.suites.base import Choice, Skipped
from training.types import EvaluationError

ITEMS = [
    make_item(f"{cluster}{n}", cluster=cluster, kind=f"k{n}") for cluster in "abc" for n in (0, 1)
]


def ids(choice: Choice) -> list[str]:
    """Return the ids of what is chosen."""
    return [item.id for item in make_plan(ListSuite(*ITEMS), choice).items]


def test_everything_in_order() -> None:
    """Without a choice, all items stand in the suite's order."""
    assert ["a0", "a1", "b0", "b1", "c0", "c1"] == ids(Choice())


def test_one_per_cluster() -> None:
    """One item of each cluster, and the seed says which."""
    assert ["a", "b", "c"] == [name[0] for name in ids(Choice(one_per_cluster=True))]
    assert 1 < len({tuple(ids(Choice(one_per_cluster=True, seed=seed))) for seed in range(9)})


def test_limit_is_a_sample_in_order() -> None:
    """A limit takes items from everywhere, repeatably, and keeps their order."""
    chosen = ids(Choice(limit=3, seed=5))
    assert (3, sorted(chosen)) == (len(chosen), chosen)
    assert chosen == ids(Choice(limit=3, seed=5))
    assert {"a", "b", "c"} == {
        name[0] for seed in range(9) for name in ids(Choice(limit=3, seed=seed))
    }


def test_kinds() -> None:
    """Only the kinds that are asked for; one that isn't there is named, with those that are."""
    assert ["a1", "b1", "c1"] == ids(Choice(kinds=("k1",)))
    with pytest.raises(EvaluationError, match="k9") as caught:
        ids(Choice(kinds=("k9",)))
    assert "k0, k1" in caught.value.hint


def test_skipped_records_are_counted() -> None:
    """Broken, repeated and leaked records are left out, each under its reason."""
    suite = ListSuite(*ITEMS[:2], ITEMS[0], Skipped("line 4", "broken record"))
    plan = make_plan(suite, Choice(), leak=lambda item: "seen" if item.id == "a1" else "")
    assert ["a0"] == [item.id for item in plan.items]
    assert {"leaked": 1, "duplicate id": 1, "broken record": 1} == plan.reasons


def test_nothing_left_says_why() -> None:
    """A suite without a usable item is an error that counts the reasons."""
    with pytest.raises(EvaluationError, match="2 leaked"):
        make_plan(ListSuite(*ITEMS[:2]), Choice(), leak=lambda _item: "seen")


def test_fingerprint_is_of_the_items() -> None:
    """Another choice has another fingerprint."""
    one, same, other = (
        make_plan(ListSuite(*ITEMS), Choice(limit=limit)).fingerprint for limit in (3, 3, 4)
    )
    assert one == same
    assert one != other
