from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from fimls.completer import Explanation
from fimls.server import lastwords
from fimls.server.lastwords import LastWords


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
    monkeypatch.setattr(lastwords, "last_words_path", lambda: path)
    words = LastWords()
    words.note(explanation(1))
    words.note(explanation(2))
    assert not path.exists()
    words.flush()
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
    monkeypatch.setattr(lastwords, "last_words_path", lambda: tmp_path / "file" / "why.json")
    words = LastWords()
    words.note(explanation(1))
    words.flush()
