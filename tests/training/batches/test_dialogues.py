from __future__ import annotations

import json
from pathlib import Path

import pytest

from training.batches.dialogues import DialogueSource
from training.types import DatasetError, Split


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
