"""Dialogues are read from JSONL, and what is wrong with a line is told with its place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from training.dialogue import DialogueSource, Message, Role, scan_dialogues
from training.types import DatasetError, Split

ASKED = {"role": "user", "content": "a"}
ANSWERED = {"role": "assistant", "content": "b"}
GOOD = json.dumps({"messages": [ASKED, ANSWERED]})


def test_reads_dialogues(tmp_path: Path) -> None:
    """Each line is a dialogue, in order; empty lines, a BOM and CRLF do no harm."""
    path = tmp_path / "chats.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode() + b"\r\n\r\n" + GOOD.encode())
    expected = (Message(Role.USER, "a"), Message(Role.ASSISTANT, "b"))
    assert [expected, expected] == list(read_dialogues(path))


def read_dialogues(path: Path) -> Iterator[tuple[Message, ...]]:
    """The dialogues of a file, without their places."""
    return (dialogue for _, dialogue in scan_dialogues(path))


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
    """The error has file, line and reason; the dialogues before it were yielded."""
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


def _write(path: Path, count: int) -> Path:
    lines = [
        json.dumps(
            {
                "messages": [
                    {"role": "user", "content": f"number {index} ä"},
                    {"role": "assistant", "content": f"answer {index}"},
                ]
            },
            ensure_ascii=False,
        )
        for index in range(count)
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_every_dialogue_is_on_one_side(tmp_path: Path) -> None:
    """Every twentieth is held out, the others are learnt from, none is lost."""
    source = DialogueSource(_write(tmp_path / "d.jsonl", 45))
    assert (43, 2, 0) == tuple(source.count(split) for split in Split)
    texts = [
        dialogue[0].content
        for split in Split
        for dialogue in source.examples(split, shuffle_seed=1)
    ]
    assert {f"number {index} ä" for index in range(45)} == set(texts)


def test_the_order_is_the_seeds_and_can_be_taken_up_anywhere(tmp_path: Path) -> None:
    """The same seed gives the same order, and a start skips its beginning."""
    source = DialogueSource(_write(tmp_path / "d.jsonl", 30))
    whole = list(source.examples(Split.TRAIN, shuffle_seed=3))
    assert whole[10:] == list(source.examples(Split.TRAIN, shuffle_seed=3, start=10))
    assert whole != list(source.examples(Split.TRAIN, shuffle_seed=4))


def test_a_bad_line_is_found_before_training_starts(tmp_path: Path) -> None:
    """The error names the line; nothing is trained on the good half of a file."""
    path = _write(tmp_path / "d.jsonl", 3)
    path.write_text(path.read_text("utf-8") + "{}\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"d\.jsonl:4"):
        DialogueSource(path)
