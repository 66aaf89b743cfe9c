from __future__ import annotations

from collections.abc import Iterator

from training.corpus import Decontaminator
from training.evaluation.memorisation import make_canaries
from training.tuning.general import MixedSource, general_examples, general_suite
from training.types import CorpusFile, FimExample, Span, SpanKind, Split


class _Source:
    def __init__(self, count: int) -> None:
        self._made = [_example(index) for index in range(count)]

    def count(self, _split: Split) -> int:
        return len(self._made)

    def examples(
        self, _split: Split, *, shuffle_seed: int | None = None, start: int = 0
    ) -> Iterator[FimExample]:
        del shuffle_seed  # always the same order
        yield from self._made[start:]


def _example(index: int) -> FimExample:
    file = CorpusFile("r", "", f"{index}.py", "python", "", "x = 1\n")
    return FimExample(file, Span(4, 5, SpanKind.EXPRESSION))


def test_each_canary_stands_once_in_an_epoch_and_nothing_is_lost() -> None:
    """All examples and all canaries, each once, whatever the seed."""
    source = MixedSource(_Source(20), make_canaries(3, seed=1))
    paths = [one.file.path for one in source.examples(Split.TRAIN, shuffle_seed=5)]
    assert 23 == source.count(Split.TRAIN) == len(paths) == len(set(paths))
    assert 3 == sum("canary" in path for path in paths)


def test_a_stream_begins_anywhere_with_the_same_rest() -> None:
    """Resuming after n examples gives what an uninterrupted epoch gives behind them."""
    source = MixedSource(_Source(10), make_canaries(4, seed=1))
    whole = list(source.examples(Split.TRAIN, shuffle_seed=7))
    for start in range(14):
        assert whole[start:] == list(source.examples(Split.TRAIN, shuffle_seed=7, start=start))


def test_held_out_splits_have_none() -> None:
    """What is watched is the repository's own code."""
    source = MixedSource(_Source(5), make_canaries(2, seed=1))
    assert 5 == source.count(Split.TEST) == len(list(source.examples(Split.TEST)))


def test_what_is_learnt_is_not_what_shows_forgetting() -> None:
    """Other modules, middles of many of them, the same for a seed, and nothing of a suite."""
    learnt, shown = general_examples(150, seed=1), general_suite(32)
    assert 100 <= len(learnt) <= 150
    assert len({one.file.path for one in learnt}) > 50
    assert not {one.file.path for one in learnt} & {one.file.path for one in shown}
    assert learnt == general_examples(150, seed=1) != general_examples(150, seed=2)
    suites = Decontaminator()
    assert not any(suites.holds(one.file.text) for one in learnt[:20])
