"""The report as Markdown: its tables, for a pull request or a note."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.evaluation import tables


def render_markdown(report: Mapping[str, Any]) -> str:
    """Return the text."""
    parts = ["# Evaluation"]
    if report["gate"] is not None:
        parts.append(f"**{report['gate']['sentence']}**")
    parts += ["## Figures", tables.markdown_table(tables.overview(report))]
    for one in report["comparisons"]:
        parts += [
            f"## {one['suite']}: {one['before']} against {one['after']}",
            tables.markdown_table(tables.changes(one)),
        ]
    for run in report["runs"]:
        for division in tables.divisions(run):
            parts += [
                f"## {run['suite']}, {run['label']}: by {division}",
                tables.markdown_table(tables.by_division(run, division)),
            ]
    if report["memory"]:
        parts += ["## Memorised", tables.markdown_table(tables.memory(report["memory"]))]
    return "\n\n".join(parts) + "\n"
