"""``fimls stats``: what was kept of suggestions, for a person."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from fimls.feedback import FeedbackStore, Suggestion, Taken
from tests.unit.cli.conftest import Fimls


def test_the_page_has_tables_and_plots(
    fimls: Fimls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names are escaped: a model is called as its file is."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    one = Suggestion(
        "x", time.time(), "python", "<0.5b>", "", False, 10, 20.0, True, 10, Taken.WHOLE
    )
    FeedbackStore().write([one])
    page = tmp_path / "page.html"
    assert 0 == fimls("stats", "-o", str(page)).code
    text = page.read_text(encoding="utf-8")
    assert 2 == text.count("<svg")
    assert "<td>&lt;0.5b&gt;</td><td>1</td><td>100%</td>" in text
    assert "<h2>By language</h2>" in text
