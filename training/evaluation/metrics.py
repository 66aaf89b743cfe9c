"""How good one text is, against what a person wrote there. Pure functions, and the score of a row.

Definitions follow CrossCodeEval (Ding et al. 2023) where it has them: edit similarity is
rapidfuzz's ``ratio`` (2 * matching / total characters), identifier F1 compares sets of names.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz import fuzz

from fimls.syntax import error_count, identifiers, parse
from training.evaluation.answers import Answer
from training.evaluation.suites.base import Item
from training.evaluation.typing.looks import taken_length
from training.evaluation.typing.plan import typed_characters
from training.evaluation.typing.typist import common_length

_PARSE_BUDGET_MS = 2_000.0


@dataclass(frozen=True, slots=True)
class Score:
    """What an answer is worth: all of its first text, except ``passed``."""

    exact: bool
    """It is the reference, except for white space around it."""
    first_line: bool
    """Its first line is the reference's."""
    similarity: float
    """0 to 1."""
    identifier_f1: float | None
    """None where neither text has names."""
    parses: bool | None
    """The file has no more syntax errors than with the reference; None without a grammar."""
    saved_characters: int
    """What a person would take of it."""
    reference_characters: int
    """What has to be typed; the editor indents."""
    passed: tuple[bool, ...] = ()
    """A verdict for each text; () without a judge."""
    detail: str = ""
    """Why the first text failed."""
    scored_ms: float = 0.0


def score(item: Item, answer: Answer) -> Score:
    """Measure an answer, and run its tests if it has any. Called in a worker process."""
    began = time.perf_counter()
    text, reference = answer.texts[0] if answer.texts else "", item.reference
    # No text to show is the file as it is, which may well pass.
    verdicts = [] if item.judge is None else [item.judge(one) for one in answer.texts or ("",)]
    return Score(
        exact=text.strip() == reference.strip(),
        first_line=_first_line(text) == _first_line(reference),
        similarity=round(fuzz.ratio(text.strip(), reference.strip()) / 100, 4),
        identifier_f1=identifier_f1(text, reference, item.language_id),
        parses=parses(item, text),
        saved_characters=saved_characters(text, reference),
        reference_characters=typed_characters(reference.rstrip()),
        passed=tuple(verdict.passed for verdict in verdicts),
        detail=verdicts[0].detail if verdicts else "",
        scored_ms=round((time.perf_counter() - began) * 1000, 1),
    )


def identifier_f1(text: str, reference: str, language_id: str) -> float | None:
    """The harmonic mean of precision and recall of the sets of names; None where both are empty."""
    found, wanted = (set(identifiers(one, language_id)) for one in (text, reference))
    if not found and not wanted:
        return None
    return round(2 * len(found & wanted) / (len(found) + len(wanted)), 4)


def parses(item: Item, text: str) -> bool | None:
    """Whether ``text`` adds no syntax error that the reference doesn't have in the same place."""
    allowed = _errors(item.prefix + item.reference + item.suffix, item.language_id)
    if allowed is None:
        return None
    if text == item.reference:
        return True
    errors = _errors(item.prefix + text + item.suffix, item.language_id)
    return None if errors is None else errors <= allowed


def saved_characters(text: str, reference: str) -> int:
    """How many characters a person who knows the reference takes, without indentation.

    The whole text if the reference begins with it, else its first lines that agree.
    """
    shown = text.rstrip()
    taken = taken_length(shown, reference, common_length(shown, reference))
    return typed_characters(text[:taken])


@lru_cache(maxsize=16)  # several items of a file come one after the other
def _errors(text: str, language_id: str) -> int | None:
    tree = parse(text, language_id, _PARSE_BUDGET_MS)
    return None if tree is None else error_count(tree)


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0].rstrip()
