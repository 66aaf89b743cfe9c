from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from fimls.completer import Explanation
from fimls.server import why
from fimls.server.why import LastExplanation, describe_flight, render

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
    page = render(WHY)
    for part in ("# Shown", "b.py", "0.91", "prefix 10, suffix 20", "brackets", "0.80", "12 ms"):
        assert part in page


def test_a_flight_in_a_line() -> None:
    """Which generation it was, how old, where it started, and what its prompt kept."""
    flight = {"id": 7, "offset": 31, "age_ms": 84.2, "landed": False}
    kept = {"kept_suffix": True, "frozen_snippets": True}
    assert (
        "7, from offset 31; 84 ms old, under way; the suffix of an earlier prompt; frozen snippets"
        == describe_flight(flight | kept)
    )
    nothing_kept = dict.fromkeys(kept, False)
    assert "7, from offset 31; 84 ms old, finished" == describe_flight(
        flight | nothing_kept | {"landed": True}
    )


def test_what_was_not_shown_says_why() -> None:
    """The reason stands first, and nothing is missing where nothing was generated."""
    nothing: dict[str, object] = {
        "suppressed": "late",
        "shown": [],
        "prompt": None,
        "generation": None,
        "gate": None,
    }
    page = render({**WHY, **nothing, "steps": [], "considered": []})
    assert page.startswith("# Not shown: late")


def test_a_fence_in_the_code_ends_no_block() -> None:
    """The fence around a text is longer than any in it."""
    assert "````python\na + b```\n````" in render(WHY)


def explanation(number: int) -> Explanation:
    """The explanation of a request that showed code."""
    return Explanation(
        number, "file:///a.py", "a.py", "python", 1, 5, invoked=False, shown=("secret_code",)
    )


async def test_the_latest_is_written_without_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies on disk explains the last request, holds no code, and is its user's alone."""
    path = tmp_path / "state" / "why.json"
    monkeypatch.setattr(why, "last_explanation_path", lambda: path)
    last = LastExplanation()
    last.note(explanation(1))
    last.note(explanation(2))
    assert not path.exists()
    last.flush()
    written = path.read_text(encoding="utf-8")
    assert 2 == json.loads(written)["id"]
    assert "secret_code" not in written
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert [path] == list(path.parent.iterdir())


async def test_a_folder_that_cannot_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing fails where the explanation can't be kept."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setattr(why, "last_explanation_path", lambda: tmp_path / "file" / "why.json")
    last = LastExplanation()
    last.note(explanation(1))
    last.flush()
