"""Dialogues from JSONL: ``{"messages": [{"role": "user", "content": "..."}, ...]}`` a line."""

from __future__ import annotations

import enum
import json
import random
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from training.types import DatasetError, Split

DIALOGUES_SUFFIX = ".jsonl"
"""Of the files that hold dialogues."""

_VALIDATION_EVERY = 20
_HINT = 'a line is {"messages": [{"role": "user", "content": "..."}, ...]}'


class Role(str, enum.Enum):
    """Who speaks."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True, slots=True)
class Message:
    """A turn of a dialogue."""

    role: Role
    content: str


def scan_dialogues(path: Path) -> Iterator[tuple[int, tuple[Message, ...]]]:
    """Read a JSONL file line by line: each dialogue, and the byte at which its line starts.

    Empty lines are skipped; memory stays flat.

    Raises:
        DatasetError: the file can't be read, holds no dialogue, or a line is wrong: the message
            names file, line and what is wrong, and quotes nothing of the dialogue.
    """
    empty, start = True, 0
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    empty = False
                    try:
                        yield start, parse_dialogue(line)
                    except (ValueError, TypeError) as error:  # bad JSON and bad UTF-8 are, too
                        reason = f"{path}:{number}: {_reason(error)}"
                        raise DatasetError(reason, hint=_HINT) from error
                start += len(line)
    except OSError as error:
        raise DatasetError(
            f"can't read {path}: {error.strerror}", hint="name a JSONL file of dialogues"
        ) from error
    if empty:
        raise DatasetError(f"{path} holds no dialogue", hint=_HINT)


def parse_dialogue(line: bytes) -> tuple[Message, ...]:
    """Read one line. Raises ValueError or TypeError where it is no dialogue."""
    return _dialogue(json.loads(line.decode("utf-8-sig").rstrip()))


def _dialogue(value: object) -> tuple[Message, ...]:
    messages = _keys(value, ("messages",), "the line")["messages"]
    if not isinstance(messages, list) or not messages:
        raise ValueError("'messages' is not a list of messages")
    dialogue = tuple(_message(one, number) for number, one in enumerate(messages, start=1))
    if all(message.role is not Role.ASSISTANT for message in dialogue):
        raise ValueError("no message is the assistant's: there is nothing to learn")
    return dialogue


def _message(value: object, number: int) -> Message:
    given = _keys(value, ("role", "content"), f"message {number}")
    role, content = given["role"], given["content"]
    roles = [one.value for one in Role]
    if role not in roles:
        raise ValueError(f"message {number}: 'role' is none of {', '.join(roles)}")
    if not isinstance(content, str):
        raise TypeError(f"message {number}: 'content' is not a string")
    if any("\ud800" <= character <= "\udfff" for character in content):
        raise ValueError(f"message {number}: 'content' holds half a surrogate pair")
    if role == Role.SYSTEM and number > 1:
        raise ValueError(f"message {number}: only the first may be the system's")
    return Message(Role(role), content)


def _keys(value: object, keys: tuple[str, ...], what: str) -> dict[str, object]:
    """``value`` as an object with exactly these keys; none is ignored silently."""
    if not isinstance(value, dict):
        raise TypeError(f"{what} is not an object")
    if missing := [key for key in keys if key not in value]:
        raise ValueError(f"{what} has no '{missing[0]}'")
    if unknown := [key for key in value if key not in keys]:
        raise ValueError(f"{what} has an unknown key '{unknown[0]}'")
    return value


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: {error.msg} at column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8: {error.reason} at byte {error.start + 1}"
    return str(error)


class DialogueSource:
    """See :class:`training.batches.ExampleSource`. Every 20th dialogue is held out.

    The whole file is checked at the start; afterwards only the places of its lines are kept, so
    memory stays flat.

    Raises:
        DatasetError: the file can't be read, or a line is wrong; names file and line.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._starts = {split: array("Q") for split in Split}
        for index, (start, _) in enumerate(scan_dialogues(path)):
            held = index % _VALIDATION_EVERY == _VALIDATION_EVERY - 1
            self._starts[Split.VALIDATION if held else Split.TRAIN].append(start)

    def count(self, split: Split) -> int:
        """How many dialogues a split has."""
        return len(self._starts[split])

    def examples(
        self, split: Split, *, shuffle_seed: int | None = None, start: int = 0
    ) -> Iterator[tuple[Message, ...]]:
        """A split's dialogues from number ``start`` on, in the order that the seed makes."""
        places = list(self._starts[split])
        if shuffle_seed is not None:
            random.Random(shuffle_seed).shuffle(places)  # noqa: S311 - an order
        with self._path.open("rb") as file:
            for place in places[start:]:
                file.seek(place)
                yield parse_dialogue(file.readline())
