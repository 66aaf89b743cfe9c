from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from fimls.completer import gate
from fimls.completer.flight import Candidate
from fimls.types import CompletionContext, Delta

CONTEXT = CompletionContext("value = 1\nx = ", "\nend()\n", language_id="python")


def candidate(*tokens: tuple[str, float]) -> Candidate:
    """A candidate of tokens with their probabilities."""
    made = Candidate()
    for text, probability in tokens:
        made.add(Delta(0, (1,), text, (math.log(probability),)), CONTEXT)
    return made


@pytest.mark.parametrize(
    ("tokens", "start", "expected"),
    [
        ([("foo", 0.9), ("(", 0.9), ("bar", 0.9)], 0, None),
        ([("foo", 0.9), ("(", 0.5), ("bar", 0.5)], 0, 4),
        ([("foo", 0.9), ("bar", 0.1)], 0, 0),
        ([("foo", 0.9), (" ", 0.9), ("ba", 0.9), ("r", 0.1)], 0, 4),
        ([("foo", 0.1), ("(", 0.9), ("bar", 0.1)], 3, 4),
        ([("foo", 0.1), ("(", 0.9), ("bar", 0.9)], 2, None),
        ([], 0, None),
    ],
)
def test_likely_end(tokens: list[tuple[str, float]], start: int, expected: int | None) -> None:
    """Text is cut before the word that makes it less likely than the minimum.

    What was typed already, in whole or in part, is certain.
    """
    assert expected == gate.likely_end(candidate(*tokens), start, 0.3)


def test_nothing_is_cut_without_a_minimum() -> None:
    """A minimum of 0 cuts nothing."""
    assert None is gate.likely_end(candidate(("a", 0.001)), 0, 0.0)


def test_likelier_is_judged_likelier() -> None:
    """The same text with better likelihoods never gets a lower probability."""
    found = [
        gate.judge(gate.features("text", [math.log(p)] * 3, CONTEXT, 0), 0.5).probability
        for p in (0.1, 0.5, 0.9, 0.99)
    ]
    assert sorted(found) == found


def test_unknown_names_lower_a_candidate() -> None:
    """Names that exist nowhere make a completion less likely to be shown."""
    known, unknown = (
        gate.judge(gate.features("text", [-0.1] * 3, CONTEXT, count), 0.5).probability
        for count in (0, 2)
    )
    assert unknown < known


def test_extreme_features_are_judged() -> None:
    """No likelihood is so extreme that judging it fails."""
    for logprob in (-1e9, 0.0):
        verdict = gate.judge(gate.features("x", [logprob], CONTEXT, 0), 0.5)
        assert 0 <= verdict.probability <= 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("value + other ", {"other"}),
        ("values ", {"values"}),
        ("end(va", set()),
        ("1e9 + 0x1f ", set()),
    ],
)
def test_unseen_names(text: str, expected: set[str]) -> None:
    """A name is new if it occurs nowhere as a whole word; an unfinished last word doesn't count."""
    assert expected == gate.unseen(gate.names(text), CONTEXT)


def test_a_word_that_was_begun_is_one_name() -> None:
    """Inside a word the name is the whole of it, what was typed included."""
    assert {"value", "other"} == gate.names("ue + other + x ", "y = val")


def test_weights_are_those_that_were_fitted() -> None:
    """What judges is what ``benchmarks/calibrate_gate.py`` found, not an older fit."""
    result = Path(__file__).parents[3] / "benchmarks" / "results" / "gate.json"
    assert json.loads(result.read_text(encoding="utf-8"))["weights"] == gate.WEIGHTS
