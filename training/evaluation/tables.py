"""The report's figures as rows of text, for the terminal, the page and the Markdown alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fimls.report.page import Table, interval, number, share, short
from training.evaluation.figures import ALL, MEASURES, PERCENTS, Measure

Report = Mapping[str, Any]

_BRIEF = frozenset({"passed", "exact", "similarity"})
_IN_GROUPS = frozenset({"passed", "exact"})  # compared in groups too


def overview(report: Report) -> Table:
    """A column for each run, a row for each measure that any of them has."""
    runs = report["runs"]
    figures = [run["figures"][ALL][ALL] for run in runs]
    rows = [["items, of clusters", *(f"{one['items']:,} of {one['clusters']}" for one in figures)]]
    for measure in MEASURES:
        show = share if measure.share else interval
        if any(measure.name in one for one in figures):
            cells = [show(one[measure.name]) if measure.name in one else "-" for one in figures]
            rows.append([measure.label, *cells])
    rows += [
        ["skipped", *(_counts(run["skipped"]) for run in runs)],
        [
            f"latency: {' / '.join(f'p{percent}' for percent in PERCENTS)} ms",
            *(_latency(run, "total_ms") for run in runs),
        ],
        ["first token", *(_latency(run, "ttft_ms") for run in runs)],
        ["items a minute", *(short(run["times"]["items_per_minute"]) for run in runs)],
        [
            "generating, scoring meanwhile, rest: s",
            *(
                " / ".join(
                    number(run["times"][name]) for name in ("generating_s", "scoring_s", "rest_s")
                )
                for run in runs
            ),
        ],
    ]
    return ["", *(f"{run['suite']}, {run['label']}" for run in runs)], rows


def by_division(run: Mapping[str, Any], division: str, *, brief: bool = False) -> Table:
    """One run by kind, language or context: a row for each group.

    brief: only what fits on a terminal.
    """
    groups = run["figures"][division]
    measures = [
        one
        for one in MEASURES
        if one.share
        and any(one.name in found for found in groups.values())
        and (one.name in _BRIEF or not brief)
    ]
    return (
        [division, "items", *(measure.label for measure in measures)],
        [
            [
                name,
                number(found["items"]),
                *(share(found[one.name]) if one.name in found else "-" for one in measures),
            ]
            for name, found in groups.items()
        ],
    )


def changes(comparison: Mapping[str, Any]) -> Table:
    """What a comparison found: a row for each group and measure."""
    rows = []
    for division, groups in comparison["changes"].items():
        for group, found in groups.items():
            where = ALL if division == ALL else f"{division}: {group}"
            rows += [
                [where, number(found["items"]), *_change(measure, found[measure.name])]
                for measure in MEASURES
                if measure.name in found and (division == ALL or measure.name in _IN_GROUPS)
            ]
    headings = ["", "items", "measure", comparison["before"], comparison["after"]]
    return [*headings, "difference", "better, worse", "McNemar p", "sign p"], rows


def skipped(run: Mapping[str, Any]) -> Table:
    """The records that were left out, by name."""
    records = run["skipped_records"]
    return ["record", "reason", "detail"], [
        [one["name"], one["reason"], one["detail"]] for one in records
    ]


def _change(measure: Measure, change: Mapping[str, Any]) -> list[str]:
    show = share if measure.share else interval
    return [
        measure.label,
        *(show(change[name]) for name in ("before", "after", "difference")),
        "-" if change["better"] is None else f"{change['better']}, {change['worse']}",
        *(short(change[name]) for name in ("mcnemar_p", "sign_p")),
    ]


def _latency(run: Mapping[str, Any], name: str) -> str:
    found = run["times"]["latency_ms"][name]
    values = [found[f"p{percent}"]["value"] for percent in PERCENTS]
    return "-" if values[0] is None else " / ".join(map(number, values))


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in counts.items()) or "none"


def divisions(run: Mapping[str, Any]) -> Sequence[str]:
    """By what a run can be divided."""
    return [name for name in run["figures"] if name != ALL]


def memory(audits: Mapping[str, Mapping[str, Any]]) -> Table:
    """What the memorisation audits found: a column for each model."""
    rows = []
    for label, asked, found in (
        ("planted canaries finished", "canaries_asked", "canaries_given_away"),
        ("the repository's secrets finished", "secrets_asked", "secrets_given_away"),
        ("more than 10 lines of training code in a row", "runs_asked", "runs"),
    ):
        cells = [
            "-" if not one[asked] else f"{len(one[found])} of {one[asked]:,}"
            for one in audits.values()
        ]
        rows.append([label, *cells])
    return ["", *audits], rows
