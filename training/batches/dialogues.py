"""Dialogues of a JSONL file as a source of examples."""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterator
from pathlib import Path

from fimls.fim import TokenizedExample, Tokenizer
from training.dialogue import Message, parse_dialogue, render, scan_dialogues
from training.types import Split

DIALOGUES_SUFFIX = ".jsonl"
"""Of the files that hold dialogues."""

Dialogue = tuple[Message, ...]

_VALIDATION_EVERY = 20


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
    ) -> Iterator[Dialogue]:
        """A split's dialogues from number ``start`` on, in the order that the seed makes."""
        places = list(self._starts[split])
        if shuffle_seed is not None:
            random.Random(shuffle_seed).shuffle(places)  # noqa: S311 - an order
        with self._path.open("rb") as file:
            for place in places[start:]:
                file.seek(place)
                yield parse_dialogue(file.readline())


def encode_dialogue(dialogue: Dialogue, tokenizer: Tokenizer) -> TokenizedExample:
    """A dialogue to learn from: loss on the assistant's text and its ``[eot]``."""
    return render(dialogue, tokenizer, for_generation=False)
