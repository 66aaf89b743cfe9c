"""Whether an adapter may replace what is served now: one rule, one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fimls.report.tables import percent, share
from training.evaluation.figures import ALL, BY_NAME
from training.types import EvaluationError

MARGIN = 0.05
"""How much of a general suite may be lost, as a share of its items."""

# What decides, the best evidence first.
_DECIDING = ("passed", "exact")

Changes = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""What :func:`training.evaluation.paired.compare` returns."""


@dataclass(frozen=True, slots=True)
class Decision:
    """promote: whether to. sentence: why, with the numbers."""

    promote: bool
    sentence: str


def decide(
    own: Mapping[str, Changes], general: Mapping[str, Changes], *, margin: float = MARGIN
) -> Decision:
    """Decide. own, general: by suite, what the adapter changed.

    Promote only if on every own suite the whole 95 % interval of the difference lies above 0, and
    on every general one above ``-margin``. What can't be told is no: a small difference needs more
    items. The deciding measure is pass@1 where tests ran, else exact match.

    Raises:
        EvaluationError: there is no suite of one's own, or no general one.
    """
    if not own or not general:
        raise EvaluationError(
            "the gate needs the repository's suite and a general one",
            hint="give a repository or dataset; --general names the other",
        )
    findings = [
        *(_finding(name, changes, 0.0) for name, changes in own.items()),
        *(_finding(name, changes, -margin) for name, changes in general.items()),
    ]
    refused = [sentence for fine, sentence in findings if not fine]
    shown = refused or [sentence for _, sentence in findings]
    word = "not promoted" if refused else "promoted"
    return Decision(promote=not refused, sentence=f"{word}: {'; '.join(shown)}")


def _finding(name: str, changes: Changes, least: float) -> tuple[bool, str]:
    """Return whether a suite speaks for the adapter, and what it says."""
    found = changes[ALL][ALL]
    measure = next(BY_NAME[one] for one in _DECIDING if one in found)
    change = found[measure.name]
    difference = change["difference"]
    low, high = difference["low"], difference["high"]
    before, after = (percent(change[side]["value"]) for side in ("before", "after"))
    values = f"{measure.label} on {name} {before} -> {after}, difference {share(difference)}"
    if low is None:
        return False, f"{values}: one file or problem can't tell"
    fine = low > least
    if least:
        verdict = "no worse than" if fine else "worse than" if high < least else "may be worse than"
        return fine, f"{values}, {verdict} the margin of {percent(least)}"
    return fine, f"{values}, {'better' if fine else 'worse' if high < 0 else 'not surely better'}"
