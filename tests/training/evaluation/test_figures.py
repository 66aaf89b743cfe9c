from __future__ import annotations

from tests.training.evaluation.rows import make_row
from training.evaluation.figures import ALL, calibration, figures, latencies


def test_rates_and_their_intervals() -> None:
    """A rate is over items, its interval over clusters: one cluster tells nothing of others."""
    rows = [make_row(f"r{n}", cluster=f"c{n % 4}", exact=n % 4 != 0) for n in range(40)]
    found = figures(rows, 0)[ALL][ALL]
    assert (40, 4, 0.75) == (found["items"], found["clusters"], found["exact"]["value"])
    assert found["exact"]["low"] < 0.5
    assert 1.0 == found["exact"]["high"]
    alone = figures([make_row(f"r{n}", cluster="c") for n in range(9)], 0)[ALL][ALL]
    assert {"value": 1.0, "low": None, "high": None} == alone["exact"]


def test_a_measure_without_values_is_left_out() -> None:
    """Without tests there is no pass@1, and without --raw nobody knows who stops by itself."""
    found = figures([make_row("a"), make_row("b")], 0)[ALL][ALL]
    assert {"passed", "passed_any", "stopped"}.isdisjoint(found)


def test_divisions() -> None:
    """By kind, language and context; a division into one group is left out."""
    rows = [make_row("a", kind="block"), make_row("b", snippets=2)]
    assert {
        "all": {"all"},
        "kind": {"block", "whole line"},
        "context": {"with snippets", "without snippets"},
    } == {division: set(groups) for division, groups in figures(rows, 0).items()}


def test_saved_characters_are_a_ratio_of_sums() -> None:
    """Long middles count for more than short ones."""
    rows = [
        make_row("a", saved_characters=0, reference_characters=90),
        make_row("b", saved_characters=10, reference_characters=10),
    ]
    assert 0.1 == figures(rows, 0)[ALL][ALL]["saved"]["value"]


def test_pass_at_k_is_of_several_candidates() -> None:
    """pass@1 is of the first, pass@k of any."""
    rows = [make_row("a", passed=[False, True]), make_row("b", passed=[False, False])]
    found = figures(rows, 0)[ALL][ALL]
    assert (0.0, 0.5) == (found["passed"]["value"], found["passed_any"]["value"])


def test_the_same_seed_gives_the_same_figures() -> None:
    """Nothing depends on anything but rows and seed."""
    rows = [make_row(f"r{n}", exact=n % 3 == 0) for n in range(30)]
    assert figures(rows, 1) == figures(rows, 1)
    assert figures(rows, 1) != figures(rows, 2)


def test_latencies() -> None:
    """Percentiles of all items; without a first token there is no time to it."""
    times = {"ttft_ms": None, "total_ms": 7.0, "scored_ms": 0.0}
    rows = [make_row("a", times=times), make_row("b", times={**times, "total_ms": 9.0})]
    found = latencies(rows, 0)
    assert (8.0, None) == (found["total_ms"]["p50"]["value"], found["ttft_ms"]["p50"]["value"])


def test_calibration() -> None:
    """A model that is as sure as it is right has no expected error."""
    rows = [make_row(f"r{n:02}", confidence=0.5, exact=n % 2 == 0) for n in range(40)]
    assert 0.0 == calibration(rows)["expected_error"]
    sure = [make_row(f"r{n:02}", confidence=1.0, exact=n % 2 == 0) for n in range(40)]
    assert 0.5 == calibration(sure)["expected_error"]
    assert {"bins": [], "expected_error": None} == calibration([make_row("a", confidence=None)])
