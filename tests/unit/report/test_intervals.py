"""Values and their 95 % intervals."""

from __future__ import annotations

from fimls.report.intervals import Resampler


def test_an_interval_holds_the_value_and_is_repeatable() -> None:
    """The same seed gives the same interval; a single function none."""
    above, below = [10.0, 30.0, 50.0, 20.0], [100.0] * 4
    figure = Resampler(4, seed=1).ratio(above, below)
    assert figure == Resampler(4, seed=1).ratio(above, below)
    assert figure.low is not None
    assert figure.high is not None
    assert figure.value is not None
    assert 0.1 <= figure.low < figure.value < figure.high <= 0.5
    assert Resampler(1, seed=1).ratio([1.0], [2.0]).low is None


def test_resampled_quantiles_are_those_of_the_repeated_values() -> None:
    """A function drawn twice counts its values twice: medians stay inside the groups' own."""
    found = Resampler(2, seed=0).quantiles([[1.0] * 9, [5.0] * 9], (50,))["p50"]
    assert (1.0, 5.0) == (found.low, found.high)
