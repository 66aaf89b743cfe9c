from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.training.evaluation.rows import make_row
from training.evaluation.journal import NAME, Journal, read_journal
from training.types import EvaluationError

ABOUT = {"suite": "s", "settings": {"order": "spm"}}


def test_rows_survive_and_are_put_in_order(tmp_path: Path) -> None:
    """An interrupted run's rows are there again; at the end they stand in the suite's order."""
    first = Journal(tmp_path, ABOUT)
    first.append(make_row("b"))
    again = Journal(tmp_path, ABOUT)
    assert {"b"} == set(again.rows)
    again.append(make_row("a"))
    assert ["a", "b"] == [row["id"] for row in again.finish(["a", "b"])]
    about, rows = read_journal(tmp_path / NAME)
    assert (ABOUT, ["a", "b"]) == (about, [row["id"] for row in rows])


def test_torn_last_line_is_dropped(tmp_path: Path) -> None:
    """A kill in the middle of a line costs that line."""
    journal = Journal(tmp_path, ABOUT)
    for name in "ab":
        journal.append(make_row(name))
    path = tmp_path / NAME
    path.write_bytes(path.read_bytes()[:-9])
    assert {"a"} == set(Journal(tmp_path, ABOUT).rows)


def test_damage_in_the_middle_is_refused(tmp_path: Path) -> None:
    """What no kill explains isn't guessed at."""
    journal = Journal(tmp_path, ABOUT)
    for name in "abc":
        journal.append(make_row(name))
    path = tmp_path / NAME
    path.write_text(path.read_text().replace('"id": "b"', '"id: "b"'))
    with pytest.raises(EvaluationError, match=r"items\.jsonl:3 is damaged"):
        Journal(tmp_path, ABOUT)


def test_rows_of_another_run_are_refused(tmp_path: Path) -> None:
    """Rows that were made otherwise are refused by what differs; --fresh begins anew."""
    Journal(tmp_path, ABOUT).append(make_row("a"))
    other = {"suite": "s", "settings": {"order": "psm"}}
    with pytest.raises(EvaluationError, match="order was 'spm', now it is 'psm'"):
        Journal(tmp_path, other)
    assert {} == Journal(tmp_path, other, fresh=True).rows


def test_another_version_is_refused(tmp_path: Path) -> None:
    """A journal of another format names both versions."""
    (tmp_path / NAME).write_text(json.dumps({"format_version": 99, "about": ABOUT}) + "\n")
    with pytest.raises(EvaluationError, match="version 99; this fimls reads 1"):
        Journal(tmp_path, ABOUT)


def test_full_disk_is_explained(tmp_path: Path) -> None:
    """No room is an error that says how to go on."""
    journal = Journal(tmp_path, ABOUT)
    journal._path = Path("/dev/full")
    with pytest.raises(EvaluationError, match="No space left") as caught:
        journal.append(make_row("a"))
    assert "goes on from here" in caught.value.hint
