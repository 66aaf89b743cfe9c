from __future__ import annotations

from training.corpus import Decontaminator
from training.tuning.general import general_examples, general_suite


def test_what_is_learnt_is_not_what_shows_forgetting() -> None:
    """Other modules, middles of many of them, the same for a seed, and nothing of a suite."""
    learnt, shown = general_examples(150, seed=1), general_suite(32)
    assert 100 <= len(learnt) <= 150
    assert len({one.file.path for one in learnt}) > 50
    assert not {one.file.path for one in learnt} & {one.file.path for one in shown}
    assert learnt == general_examples(150, seed=1) != general_examples(150, seed=2)
    suites = Decontaminator()
    assert not any(suites.holds(one.file.text) for one in learnt[:20])
