"""A report as one HTML page that needs nothing from anywhere.

A report's template extends ``page.html.jinja``, the frame and its style, and takes the macro
``table`` from ``tables.html.jinja``. All values are escaped; plots are marked ``safe``.
"""

from __future__ import annotations

from pathlib import Path

import jinja2

_HERE = Path(__file__).parent


def render_page(template: Path, **values: object) -> str:
    """Return the page that a template makes of values; a value that it lacks is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([template.parent, _HERE]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template.name).render(**values)
