from __future__ import annotations

from typing import Any

from fimls.server import whypage

WHY: dict[str, Any] = {
    "path": "a.py",
    "uri": "file:///a.py",
    "language_id": "python",
    "mode": "single",
    "answered_by": "engine",
    "suppressed": None,
    "shown": ["a + b"],
    "context_state": "new",
    "considered": [
        {"path": "b.py", "source": "imports", "score": 0.91, "tokens": 12, "reason": ""},
        {"path": "c.py", "source": "lexical", "score": 0.2, "tokens": 40, "reason": "score"},
    ],
    "prompt": {
        "tokens": 30,
        "reused": 20,
        "parts": [{"kind": "prefix", "tokens": 10}, {"kind": "suffix", "tokens": 20}],
    },
    "generation": {"text": "a + b```"},
    "steps": [{"name": "brackets", "text": "a + b"}],
    "gate": {"probability": 0.8, "threshold": 0.25, "passed": True, "features": {"length": 5}},
    "stages_ms": {"total": 12.3},
}


def test_the_page_has_every_part() -> None:
    """Verdict, snippets with scores, tokens by part, each step, the gate, times."""
    page = whypage.render(WHY)
    for part in ("# Shown", "b.py", "0.91", "prefix 10, suffix 20", "brackets", "0.80", "12 ms"):
        assert part in page


def test_what_was_not_shown_says_why() -> None:
    """The reason stands first, and nothing is missing where nothing was generated."""
    nothing: dict[str, object] = {
        "suppressed": "late",
        "shown": [],
        "prompt": None,
        "generation": None,
        "gate": None,
    }
    page = whypage.render({**WHY, **nothing, "steps": [], "considered": []})
    assert page.startswith("# Not shown: late")


def test_a_fence_in_the_code_ends_no_block() -> None:
    """The fence around a text is longer than any in it."""
    assert "````python\na + b```\n````" in whypage.render(WHY)
