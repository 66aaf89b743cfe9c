"""The report as one page without scripts or anything from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from training.types import FimExample

_MEGABYTE = 1_000_000
_REPOSITORIES_MAX = 200
_PREFIX_CHARS, _SUFFIX_CHARS = 900, 400
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem;
  color: #1c2430; background: #fff }
table { border-collapse: collapse; margin: .5rem 0 1.5rem }
th, td { padding: .2rem .9rem .2rem 0; border-bottom: 1px solid #dde2e8; text-align: left }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
pre { background: #f6f8fa; padding: .8rem; overflow-x: auto; font-size: 13px; line-height: 1.4 }
.path { color: #6a737d } .snippet { color: #6f42c1 } .suffix { color: #22863a }
.prefix { color: #032f62 } .middle { background: #ffdf9e; color: #1c2430 }
.lead { font-size: 1.15rem }
"""
_LEGEND = (
    '<p><span class="snippet">snippets of other files</span>, '
    '<span class="prefix">prefix</span>, <span class="middle">middle</span>, '
    '<span class="suffix">suffix</span>; long prefixes and suffixes are cut here.</p>'
)


def render(report: Mapping[str, Any], examples: Sequence[FimExample]) -> str:
    """The page of a report's numbers and a few examples."""
    kept, dropped = report["kept"], report["dropped"]
    lost = sum(one["files"] for one in dropped.values())
    lead = (
        f"{report['examples']:,} examples from {kept['files']:,} files "
        f"({_size(kept['bytes'])}) of {len(report['repositories']):,} repositories; "
        f"{lost:,} files and folders were dropped."
    )
    parts = [
        f'<p class="lead">{escape(lead)}</p>',
        "<h2>Dropped, and why</h2>",
        _sizes("reason", dropped),
        "<h2>Kept</h2>",
        _sizes("language", report["languages"]),
        _sizes("licence", report["licences"]),
        "<h2>Replaced in the kept files</h2>",
        _table(["kind", "found"], [[kind, n] for kind, n in report["scrubbed"].items()]),
        "<h2>Splits</h2>",
        _splits(report["splits"]),
        "<h2>Middles</h2>",
        _kinds(report),
        "<h2>Repositories</h2>",
        _repositories(report["repositories"]),
        "<h2>Examples</h2>",
        _LEGEND,
        *map(_example, examples),
        f"<p class='path'>corpus {escape(report['corpus_sha256'])}</p>",
    ]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>fimls prepare</title>'
        f"<style>{_STYLE}</style><h1>What fimls prepare made</h1>{''.join(parts)}</html>\n"
    )


def _sizes(name: str, counts: Mapping[str, Mapping[str, int]]) -> str:
    rows = [[key, one["files"], _size(one["bytes"])] for key, one in counts.items()]
    return _table([name, "files", "size"], rows)


def _splits(splits: Mapping[str, Any]) -> str:
    rows = [
        [name, one["files"], one["examples"]]
        for name, one in splits.items()
        if isinstance(one, dict)
    ]
    ties = (
        f"<p>{splits['units']:,} units; near-duplicate functions tie at most "
        f"{splits['largest_cluster']:,} of them together, which are never divided.</p>"
    )
    return _table(["split", "files", "examples"], rows) + ties


def _kinds(report: Mapping[str, Any]) -> str:
    names = ["kind", "examples", "median chars", "90 %", "longest"]
    fields = ("examples", "median_chars", "p90_chars", "max_chars")
    rows = [[kind, *(one[field] for field in fields)] for kind, one in report["kinds"].items()]
    snippets = report["snippets"]
    text = f"{snippets['examples_with']:,} examples have snippets, {snippets['mean']} on average."
    return f"{_table(names, rows)}<p>{text}</p>"


def _repositories(repositories: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        [
            one["name"],
            one["commit"][:12],
            one["licence"] or "none",
            one["kept"]["files"],
            _size(one["kept"]["bytes"]),
            ", ".join(f"{count['files']:,} {reason}" for reason, count in one["dropped"].items()),
        ]
        for one in repositories[:_REPOSITORIES_MAX]
    ]
    more = len(repositories) - len(rows)
    note = f"<p>and {more:,} more, in report.json</p>" if more > 0 else ""
    return _table(["name", "commit", "licence", "files", "size", "dropped"], rows) + note


def _example(example: FimExample) -> str:
    text, span = example.file.text, example.span
    title = f"{example.file.repository}: {example.file.path}, {span.kind.value}"
    start = max(0, span.start - _PREFIX_CHARS)
    start = text.find("\n", start, span.start) + 1 if start else 0
    snippets = "".join(
        f'<span class="path">{escape(one.path)} ({escape(one.source)}, {one.score:.2f})</span>\n'
        f'<span class="snippet">{escape(one.text)}</span>\n'
        for one in example.snippets
    )
    return (
        f"<h3>{escape(title)}</h3><pre>{snippets}"
        f'<span class="path">{escape(example.file.path)}</span>\n'
        f'<span class="prefix">{escape(text[start : span.start])}</span>'
        f'<span class="middle">{escape(example.middle)}</span>'
        f'<span class="suffix">{escape(text[span.end : span.end + _SUFFIX_CHARS])}</span></pre>'
    )


def _table(names: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    if not rows:
        return "<p>none</p>"
    numeric = [isinstance(cell, int) for cell in rows[0]]

    def row(tag: str, cells: Sequence[object]) -> str:
        return "".join(
            f"<{tag}{' class=n' if is_number else ''}>"
            f"{f'{cell:,}' if isinstance(cell, int) else escape(str(cell))}</{tag}>"
            for cell, is_number in zip(cells, numeric, strict=True)
        )

    body = "".join(f"<tr>{row('td', cells)}</tr>" for cells in rows)
    return f"<table><tr>{row('th', names)}</tr>{body}</table>"


def _size(size_bytes: int) -> str:
    return f"{size_bytes / _MEGABYTE:,.2f} MB"
