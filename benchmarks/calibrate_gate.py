"""Fit the gate on replayed typing: what was shown against what was then typed.

    fimls bench keystrokes PATH --record rows.jsonl --set show_above=0 --set min_likelihood=0.02
    python benchmarks/calibrate_gate.py rows.jsonl

A row is one answered request with its features, its tokens and the text that followed. Rows of a
function never stand on both sides of a fold. Two thresholds come out: where a text is cut
(``min_likelihood``) and what is shown at all (``show_above``), by the worth of what is shown: +3
for each character that was right, -1 for each that was wrong (the 0.75 and 0.25 that Cursor
published for accepted and rejected suggestions). The weights go into ``fimls/completer/gate.py``
by hand.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from record import write_result

RIGHT_WORTH, WRONG_WORTH = 3.0, -1.0
FEATURES = (
    "bias",
    "sum_logprob",
    "min_logprob",
    "mean_logprob",
    "log_chars",
    "line_start",
    "in_word",
    "after_dot",
    "several_lines",
    "unknown_names",
    "comment",
)
_RIDGE = 10.0  # hundreds of rows of a few dozen functions: strong
_FOLDS = 5
_MINIMA = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6)

Floats = NDArray[np.float64]


def read_rows(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """The rows in which something was shown, once for each distinct suggestion."""
    rows, seen = [], set()
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            why = row["explanation"]
            if not why["shown"] or not why["gate"]:
                continue
            key = (row["function"], why["shown"][0], len(row["truth"]))
            if key not in seen:
                seen.add(key)
                rows.append(row)
    return rows


def agreeing(shown: str, truth: str) -> int:
    """How many characters of a text are what was typed."""
    return next(
        (at for at, (one, other) in enumerate(zip(shown, truth, strict=False)) if one != other),
        min(len(shown), len(truth)),
    )


def fit(found: Floats, right: Floats) -> Floats:
    """Logistic regression with a ridge, by Newton's method. found: [rows, features]."""
    weights = np.zeros(found.shape[1])
    ridge = _RIDGE * np.eye(found.shape[1])
    ridge[0, 0] = 1e-6
    for _ in range(50):
        likely = predict(found, weights)
        gradient = found.T @ (right - likely) - ridge @ weights
        curvature = (found * (likely * (1 - likely))[:, None]).T @ found + ridge
        step = np.linalg.solve(curvature, gradient)
        weights += step
        if np.abs(step).max() < 1e-8:
            break
    return weights


def predict(found: Floats, weights: Floats) -> Floats:
    """The probability of each row to be right."""
    return np.asarray(1 / (1 + np.exp(-np.clip(found @ weights, -30, 30))))


def cross_validated(found: Floats, right: Floats, groups: Sequence[str]) -> Floats:
    """Each row's probability by a model that has seen none of its function."""
    names = sorted(set(groups))
    fold_of = {name: index % _FOLDS for index, name in enumerate(names)}
    folds = np.array([fold_of[name] for name in groups])
    likely = np.zeros(len(right))
    for fold in range(_FOLDS):
        held_out = folds == fold
        likely[held_out] = predict(found[held_out], fit(found[~held_out], right[~held_out]))
    return likely


def area_under_curve(likely: Floats, right: Floats) -> float:
    """The probability that a right row is ranked above a wrong one (ROC AUC)."""
    order = np.argsort(likely, kind="stable")
    ranks = np.empty(len(likely))
    ranks[order] = np.arange(1, len(likely) + 1)
    positives = right.sum()
    negatives = len(right) - positives
    above = ranks[right == 1].sum() - positives * (positives + 1) / 2
    return float(above / positives / negatives)


def worth(shown: str, truth: str) -> float:
    """What showing a text is worth. A text is taken as a whole or not at all."""
    same = agreeing(shown, truth)
    return RIGHT_WORTH * len(shown) if same == len(shown) else WRONG_WORTH * (len(shown) - same)


def worth_of_cut(rows: Sequence[Mapping[str, Any]], minimum: float) -> float:
    """The mean worth of what was generated, cut where its likelihood falls below a minimum."""
    total = 0.0
    for row in rows:
        text, so_far = "", 0.0
        for token, logprob in row["explanation"]["generation"]["tokens"]:
            so_far += logprob
            if minimum and so_far < np.log(minimum):
                break
            text += token
        line = text.split("\n")[0]
        total += worth(line, row["truth"]) if line.strip() else 0.0
    return total / len(rows)


def main() -> None:
    """Read, fit, choose, record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", type=Path, nargs="+", help="what --record wrote")
    options = parser.parse_args()
    rows = read_rows(options.rows)
    found = np.array(
        [[row["explanation"]["gate"]["features"][name] for name in FEATURES] for row in rows]
    )
    shown = [row["explanation"]["shown"][0] for row in rows]
    right = np.array(
        [float(row["truth"].startswith(text)) for row, text in zip(rows, shown, strict=True)]
    )
    worths = np.array([worth(text, row["truth"]) for row, text in zip(rows, shown, strict=True)])
    groups = [row["function"] for row in rows]
    likely = cross_validated(found, right, groups)
    alone = FEATURES.index("sum_logprob")
    by_threshold = {
        f"{threshold:.2f}": {
            "worth": round(float(worths[likely >= threshold].sum()), 1),
            "shown": int((likely >= threshold).sum()),
            "right": int(right[likely >= threshold].sum()),
        }
        for threshold in np.arange(0, 0.85, 0.05)
    }
    write_result(
        "gate",
        {
            "rows": len(rows),
            "functions": len(set(groups)),
            "right_percent": round(100 * float(right.mean()), 1),
            "auc": round(area_under_curve(likely, right), 3),
            "auc_of_likelihood_alone": round(area_under_curve(found[:, alone], right), 3),
            "weights": {
                name: round(float(weight), 3)
                for name, weight in zip(FEATURES, fit(found, right), strict=True)
            },
            "worth_by_show_above": by_threshold,
            "worth_by_min_likelihood": {
                str(minimum): round(worth_of_cut(rows, minimum), 2) for minimum in _MINIMA
            },
        },
        seed=0,
    )


if __name__ == "__main__":
    main()
