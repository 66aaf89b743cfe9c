"""Dialogues are read from JSONL, and what is wrong with a line is told with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from training.dialogue import Message, Role, read_dialogues
from training.types import DatasetError

ASKED = {"role": "user", "content": "a"}
ANSWERED = {"role": "assistant", "content": "b"}
GOOD = json.dumps({"messages": [ASKED, ANSWERED]})


def test_reads_dialogues(tmp_path: Path) -> None:
    """Each line is a dialogue, in order; empty lines, a BOM and CRLF do no harm."""
    path = tmp_path / "chats.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode() + b"\r\n\r\n" + GOOD.encode())
    expected = (Message(Role.USER, "a"), Message(Role.ASSISTANT, "b"))
    assert [expected, expected] == list(read_dialogues(path))


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ('{"messages": [', "not JSON: Expecting value at column 15"),
        (b'{"messages": "\xff"}', "not UTF-8: invalid start byte at byte 15"),
        ("[]", "the line is not an object"),
        ("{}", "the line has no 'messages'"),
        ({"messages": [ANSWERED], "id": 1}, "the line has an unknown key 'id'"),
        ({"messages": []}, "'messages' is not a list of messages"),
        ({"messages": [ASKED]}, "no message is the assistant's: there is nothing to learn"),
        ({"messages": [ASKED, "b"]}, "message 2 is not an object"),
        ({"messages": [{"role": "user"}]}, "message 1 has no 'content'"),
        ({"messages": [{**ASKED, "name": "x"}]}, "message 1 has an unknown key 'name'"),
        ({"messages": [{**ASKED, "content": None}]}, "message 1: 'content' is not a string"),
        (
            {"messages": [{**ASKED, "content": "\ud83d"}]},
            "message 1: 'content' holds half a surrogate pair",
        ),
        (
            {"messages": [{**ASKED, "role": "bot"}]},
            "message 1: 'role' is none of system, user, assistant, tool",
        ),
        ({"messages": [{**ASKED, "role": []}]}, "message 1: 'role' is none of"),
        (
            {"messages": [ANSWERED, {"role": "system", "content": ""}]},
            "message 2: only the first may be the system's",
        ),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: object, wrong: str) -> None:
    """The error has file, line and reason; the dialogues before it were given out."""
    path = tmp_path / "chats.jsonl"
    text = json.dumps(line) if isinstance(line, dict) else line
    raw = text if isinstance(text, bytes) else str(text).encode()
    path.write_bytes(GOOD.encode() + b"\n" + raw + b"\n")
    dialogues = read_dialogues(path)
    next(dialogues)
    with pytest.raises(DatasetError) as caught:
        next(dialogues)
    assert str(caught.value).startswith(f"{path}:2: {wrong}")


def test_nothing_to_read(tmp_path: Path) -> None:
    """A missing and an empty file are errors, not datasets without dialogues."""
    empty = tmp_path / "empty.jsonl"
    empty.write_text("\n")
    with pytest.raises(DatasetError, match="holds no dialogue"):
        list(read_dialogues(empty))
    with pytest.raises(DatasetError, match="No such file"):
        list(read_dialogues(tmp_path / "missing.jsonl"))
