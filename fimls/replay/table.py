"""The figures as lines of text, for the terminal and the page alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fimls.replay.cells import interval, number, share, short
from fimls.replay.figures import ALL
from fimls.replay.plan import LOCAL, OTHER_FILE

HEADINGS = {ALL: "all", OTHER_FILE: "needs another file", LOCAL: "local"}
"""Each scope's column, in order."""

Figures = Mapping[str, Any]


def table(figures: Mapping[str, Figures]) -> list[tuple[str, ...]]:
    """Return rows: a name, and a cell for each scope. Intervals are 95 %, in brackets."""
    lines: list[tuple[str, Callable[[Figures], str]]] = [
        ("functions typed to their end", lambda one: f"{one['finished']} of {one['functions']}"),
        ("characters", lambda one: number(one["characters"])),
        ("keystrokes asked at", lambda one: number(one["looks"])),
        ("  superseded by the next key", lambda one: share(one["superseded_share"])),
        ("  failed, too late", lambda one: f"{one['failed']}, {one['late']}"),
        ("answered without the engine", lambda one: share(one["without_engine_share"])),
        ("latency, all: p50 / p90 / p95 / p99 ms", _latency(ALL)),
        ("latency, with the engine", _latency("with_engine")),
        ("  of answers with items", _latency("with_engine_items")),
        ("latency, without it", _latency("without_engine")),
        ("  of answers with items", _latency("without_engine_items")),
        ("prompts: tokens, computed (means)", _prompt_means),
        ("  reused", lambda one: share(one["prompts"]["reused_share"])),
        ("  prefix first computes (model)", _times_more),
        ("answers that showed something", lambda one: share(one["shown_share"])),
        ("suggestions shown", lambda one: number(one["suggestions"])),
        ("  characters right", lambda one: share(one["right_share"])),
        ("  characters right, wrong", _right_wrong),
        ("accepted whole, by line", lambda one: f"{one['accepted_whole']}, {one['accepted_line']}"),
        ("characters saved", lambda one: share(one["saved_share"])),
        ("  if taken by word too", lambda one: share(one["saved_by_word_share"])),
        ("engine seconds", lambda one: number(one["engine_ms"] / 1000 or None)),
        ("  ms per saved character", lambda one: interval(one["engine_ms_per_saved_character"])),
    ]
    return [(name, *(cell(figures[scope]) for scope in HEADINGS)) for name, cell in lines]


def suppressed(figures: Mapping[str, Figures]) -> list[tuple[str, ...]]:
    """Return rows: a reason for which nothing was shown, and how often in each scope."""
    return [
        (reason, *(number(figures[scope]["suppressed"].get(reason, 0)) for scope in HEADINGS))
        for reason in figures[ALL]["suppressed"]
    ]


def comparison(scopes: Mapping[str, Figures]) -> list[tuple[str, ...]]:
    """Return rows of a comparison: a figure, and for each scope before, after and the change."""
    names = [name for name, one in scopes[ALL].items() if isinstance(one, dict)]
    rows: list[tuple[str, ...]] = []
    for name in names:
        ratio = "relative" in scopes[ALL][name]
        cell = _change if ratio else _latency_change
        label = name.replace("_", " ")
        rows.append((label, *(cell(scopes[scope][name]) for scope in HEADINGS)))
    return rows


def _latency(of: str) -> Callable[[Figures], str]:
    def cell(one: Figures) -> str:
        found = one["latency_ms"][of]
        if not found["n"]:
            return "-"
        return " / ".join(short(found[name]["value"]) for name in ("p50", "p90", "p95", "p99"))

    return cell


def _prompt_means(one: Figures) -> str:
    found = one["prompts"]
    names = ("tokens_per_prompt", "computed_per_prompt")
    return ", ".join(short(found[name]["value"]) for name in names)


def _times_more(one: Figures) -> str:
    modelled = one["prompts"]["modelled"]
    if modelled["prefix_first_to_as_sent"]["value"] is None:
        return "-"
    more = interval(modelled["prefix_first_to_as_sent"])
    return f"{short(modelled['computed_per_prompt_prefix_first']['value'])}, {more} times"


def _right_wrong(one: Figures) -> str:
    return f"{number(one['right_characters'])}, {number(one['wrong_characters'])}"


def _change(one: Figures) -> str:
    before, after = (short(one[side]["value"]) for side in ("before", "after"))
    return f"{before} -> {after}, {share(one['relative'])}"


def _latency_change(one: Figures) -> str:
    before, after = (
        " / ".join(short(one[side][name]["value"]) for name in ("p50", "p95"))
        for side in ("before", "after")
    )
    return f"{before} -> {after} ms"
