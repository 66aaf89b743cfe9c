"""The server with the default model's real weights, on a real file."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.e2e.session import ROOT, editor

pytestmark = [
    pytest.mark.weights,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("default_model"),
]

FILE = ROOT / "fimls" / "text.py"
BEFORE = "        return len(self.starts)"


async def test_real_file() -> None:
    """Automatic ghost text in a file of this repository is one line of valid Python.

    Typing its first character gives what is left of it, and the session ends cleanly.
    """
    text = FILE.read_text(encoding="utf-8")
    line = text[: text.index(BEFORE)].count("\n")
    lines = text.split("\n")
    indent, code = "        return ", "len(self.starts)"
    assert lines[line] == indent + code
    lines[line] = indent
    # A shared machine may take longer than a person has patience for; and a doubt is shown too.
    patient = ("deadline_ms=300000", "answer_ms=0", "min_likelihood=0", "show_above=0")
    options = [word for setting in patient for word in ("--set", setting)]
    async with editor(*options, folder=ROOT) as session:
        await session.until("ready")
        uri = Path(FILE).as_uri()
        session.open("\n".join(lines), uri)
        (item,) = await session.ghost(line, len(indent), uri=uri)
        shown = str(item.insert_text)
        assert "\n" not in shown
        ast.parse(indent.strip() + " " + shown)
        session.edit(((line, len(indent), line, len(indent)), shown[0]), uri=uri)
        (rest,) = await session.ghost(line, len(indent) + 1, uri=uri)
        assert rest.insert_text == shown[1:]
        status = await session.status()
        assert (status["state"], status["engine"]) == ("ready", "openvino")
    assert session.process.returncode == 0
