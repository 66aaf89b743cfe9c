"""Shares and percentiles of a run; two runs compared; what readers are shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fimls.types import ConfigError, EngineError
from training.evaluation.typing.figures import compare, figures
from training.evaluation.typing.plan import KINDS, LOCAL, OTHER_FILE, Plan
from training.evaluation.typing.report import (
    changed_rows,
    figure_rows,
    make_report,
    page,
    read_report,
    summary,
    suppressed_rows,
    write_report,
)
from training.evaluation.typing.run import Run


def row(name: str = "f", kind: str = LOCAL, *, saved: int = 10, **more: Any) -> dict[str, Any]:
    """A function's row."""
    counts = dict.fromkeys(
        [
            *("keys", "slip_keys", "looks", "answered", "superseded", "failed", "late"),
            *("answers_with_items", "suggestions", "shown_characters", "right_characters"),
            *("wrong_characters", "accepted_whole", "accepted_line", "engine_ms"),
            *("generated_tokens", "with_snippets", "modelled_prompts", "modelled_as_sent"),
            "modelled_prefix_first",
        ],
        0,
    )
    return {
        "name": name,
        "kind": kind,
        "language": "python",
        "finished": True,
        "characters": 100,
        **counts,
        "answered": 4,
        "looks": 5,
        "superseded": 1,
        "saved_characters": saved,
        "saved_by_word_characters": saved + 5,
        "answered_by": {"engine": 1, "cache": 3},
        "latency_ms": {"engine": [400.0], "cache": [1.0, 2.0, 3.0]},
        "item_latency_ms": {"engine": [400.0], "cache": [1.0]},
        "suppressed": {"gate": 1},
        "prompts": [[1000, 40]],
        **more,
    }


ROWS = [row("a", saved=10), row("b", saved=30), row("c", OTHER_FILE, saved=50)]


def report(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """A report of a run that typed these rows."""
    run = Run(rows=rows, memory=[(0, 0.0, 2**20), (0, 2.0, 2**21)], notes=["a <note>"])
    run.examples = [
        {
            "function": "f",
            "kind": LOCAL,
            "wrong_characters": 3,
            "before": "\n    if a",
            "shown": " < b",
            "wanted": " > b",
        }
    ]
    return make_report(Plan(1, (), ()), run, {"pace": "wait"}, interrupted=False)


def test_scopes_add_up() -> None:
    """Everything, and each kind of function for itself."""
    found = figures(ROWS, seed=0)
    assert [3, 2, 1] == [found[scope]["functions"] for scope in ("all", *KINDS)]
    assert [90, 40, 50] == [found[scope]["saved_characters"] for scope in ("all", *KINDS)]
    assert 0.3 == found["all"]["saved_share"]["value"]
    assert 0.75 == found["all"]["without_engine_share"]["value"]
    assert {"gate": 3} == found["all"]["suppressed"]


def test_latencies_are_split() -> None:
    """Answers with and without the engine have percentiles of their own."""
    found = figures(ROWS, seed=0)["all"]["latency_ms"]
    assert (12, 3, 9) == tuple(found[of]["n"] for of in ("all", "with_engine", "without_engine"))
    assert 3 == found["without_engine_items"]["n"]
    assert 400.0 == found["with_engine"]["p50"]["value"]
    assert 2.0 == found["without_engine"]["p50"]["value"]


def test_prompts_are_summed() -> None:
    """Reuse is a share of all tokens, cost a mean for each prompt."""
    found = figures(ROWS, seed=0)["all"]["prompts"]
    assert (3, 3000, 120, 40.0) == tuple(
        found[name] for name in ("n", "tokens", "computed_tokens", "computed_tokens_median")
    )
    assert 0.96 == found["reused_share"]["value"]


def test_nothing_typed_has_no_figures() -> None:
    """An interrupted run without a function is a report too."""
    found = figures([], seed=0)["all"]
    assert (0, None) == (found["functions"], found["saved_share"]["value"])
    assert figure_rows(figures([], seed=0))


def test_comparison_is_paired() -> None:
    """A run that saves a tenth more of each function is a tenth better, without doubt."""
    after = [row(one["name"], one["kind"], saved=one["saved_characters"] * 1.1) for one in ROWS]
    found = compare(report(ROWS), report(after), seed=0)["scopes"]["all"]
    assert {"value": 0.1, "low": 0.1, "high": 0.1} == found["saved_share"]["relative"]
    assert 0.03 == found["saved_share"]["difference"]["value"]
    assert changed_rows(dict.fromkeys(("all", *KINDS), found))


def test_only_what_both_finished_is_compared() -> None:
    """A function that one run didn't end says nothing about the other."""
    after = [*ROWS[:2], {**ROWS[2], "finished": False}]
    found = compare(report(ROWS), report(after), seed=0)["scopes"]
    assert [2, 2, 0] == [found[scope]["functions"] for scope in ("all", *KINDS)]


def test_other_plans_are_not_compared() -> None:
    """The error names both."""
    other = report(ROWS)
    other["plan"] = {**other["plan"], "fingerprint": "other"}
    with pytest.raises(ConfigError, match=r"different plans: .* and other"):
        compare(report(ROWS), other, seed=0)


@pytest.mark.parametrize("text", ["", "[]", "{}"])
def test_a_file_that_is_no_report_is_refused(tmp_path: Path, text: str) -> None:
    """One line says which file."""
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"a\.json"):
        read_report(path)


def test_the_page_needs_nothing_else(tmp_path: Path) -> None:
    """It has plots, quotes are escaped, and it names no other place."""
    made = report(ROWS)
    write_report(made, tmp_path / "out")
    text = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert text.count("<svg") == 4
    assert "a &lt;note&gt;" in text
    assert 'if a<span class="wrong"> &lt; b</span>' in text
    assert "href" not in text
    assert "src=" not in text
    assert made == read_report(tmp_path / "out" / "report.json")


def test_the_summary_is_one_line_without_details() -> None:
    """Rows and samples stay in the file."""
    line = summary(report(ROWS))
    assert "\n" not in line
    assert not {"functions", "memory_series", "examples"} & json.loads(line).keys()


def test_a_failure_is_in_the_report() -> None:
    """What was done before it is reported with it."""
    run = Run(rows=ROWS, failure=EngineError("it broke"))
    made = make_report(Plan(1, (), ()), run, {}, interrupted=True)
    assert ("it broke", True) == (made["failure"], made["interrupted"])
    assert "ended early: it broke" in page(made)


def test_memory_growth_is_that_of_the_longest_server() -> None:
    """The first quarter of its life, when everything is loaded, doesn't count."""
    longest = [(0, float(at), 100 if at < 10 else 200 if at < 30 else 220) for at in range(40)]
    run = Run(memory=[*longest, (1, 41.0, 50)])
    made = make_report(Plan(1, (), ()), run, {}, interrupted=False)
    assert {"peak_bytes": 220, "end_bytes": 50, "growth": 0.1} == made["memory"]


def test_reasons_have_a_row_each() -> None:
    """Counted in every scope."""
    assert [("gate", "3", "1", "2")] == suppressed_rows(figures(ROWS, seed=0))
