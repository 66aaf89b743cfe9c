"""Pages and their plots."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import jinja2
import pytest

from fimls.report import plots
from fimls.report.page import render_page

TEMPLATE = """\
{% extends "page.html.jinja" %}
{% from "tables.html.jinja" import table %}
{% block body %}{{ table(["name", "size"], rows) }}{% endblock %}
"""


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """A page with a table."""
    path = tmp_path / "one.html.jinja"
    path.write_text(TEMPLATE, encoding="utf-8")
    return path


def test_values_are_escaped_and_numbers_grouped(template: Path) -> None:
    """Text is shown as it is, whatever it holds; numbers are aligned to the right."""
    page = render_page(template, rows=[["<b>'\"&", 1234]])
    assert "<td>&lt;b&gt;&#39;&#34;&amp;</td>" in page
    assert '<td class="n">1,234</td>' in page
    assert '<th class="n">size</th>' in page


def test_a_table_without_rows_says_so(template: Path) -> None:
    """Nothing but headings would look like a fault."""
    page = render_page(template, rows=[])
    assert "None." in page
    assert "<table" not in page


def test_a_missing_value_is_an_error(template: Path) -> None:
    """A page with a hole in it is not a report."""
    with pytest.raises(jinja2.UndefinedError):
        render_page(template)


@pytest.mark.parametrize(
    "plot",
    [
        plots.distribution({"a": [0.2, 3.0, 4000.0], "b & c": []}, "ms"),
        plots.timeline([(0, 0.0, 5.0), (0, 2.0, 6.0), (1, 3.0, 1.0)], "MiB", seconds="s"),
        plots.shares({"all": {"engine": 1, "cache": 3}, "none": {}}),
        plots.bars(
            {
                "all <": {"value": 0.1, "low": 0.05, "high": 0.2},
                "one": {"value": None, "low": None, "high": None},
            }
        ),
    ],
)
def test_plots_are_well_formed(plot: str) -> None:
    """A browser would draw whatever it is given; a parser is stricter."""
    assert "svg" in ET.fromstring(plot).tag  # noqa: S314 - our own text
