"""An HTML page that needs nothing from anywhere: its frame, sections and tables."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1c; --paper: #fff; --soft: #8884; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e4e4; --paper: #1b1b1b; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid var(--soft);
  vertical-align: top; font-variant-numeric: tabular-nums; }
td:first-child { white-space: pre; }
svg { width: 100%; max-width: 44rem; } svg text { font-size: 12px; fill: var(--ink); }
.grid { stroke: var(--soft); } .interval { stroke: var(--ink); stroke-width: 2; }
pre { background: var(--soft); padding: .6rem; overflow-x: auto; white-space: pre-wrap; }
.right { color: #4b9560; } .wrong { color: #c0504d; }
"""


def document(title: str, heading: str, body: str, style: str = "") -> str:
    """Return the page. heading: text. body: HTML. style: further rules."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}{style}</style></head><body>"
        f"<h1>{escape(heading)}</h1>{body}</body></html>\n"
    )


def section(title: str, content: str, note: str = "") -> str:
    """Return HTML under a heading. title, note: text."""
    explained = f"<p>{escape(note)}</p>" if note else ""
    return f"<h2>{escape(title)}</h2>{explained}{content}"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of texts."""
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"
