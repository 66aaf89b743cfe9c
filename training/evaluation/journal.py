"""The rows of a run on disk, as they come, so that an interrupted run goes on where it was.

``items.jsonl``: a header line that says of which run it is, then a line for each item. During
the run they are in the order in which they were done, at its end in the suite's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fimls.files import replacing
from training.types import EvaluationError

FORMAT_VERSION = 1
"""Of ``items.jsonl`` and ``report.json``."""
NAME = "items.jsonl"

Row = Mapping[str, Any]


class Journal:
    """One run's rows.

    about: what the run is; rows of another run are refused.

    Raises:
        EvaluationError: the folder holds another run, or can't be written.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any], *, fresh: bool = False) -> None:
        self.about = about
        self._path = folder / NAME
        self.rows: dict[str, Row] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if self._path.exists() and not fresh:
                found, rows = read_journal(self._path)
                _require_same(self._path, found, about)
                self.rows = {row["id"]: row for row in rows}
            # Written anew: a kill may have torn the last line.
            self._write(list(self.rows.values()))
        except OSError as error:
            raise EvaluationError(f"can't write {self._path}: {error.strerror}") from error

    def append(self, row: Row) -> None:
        """Keep a row; it survives this process.

        Raises:
            EvaluationError: the disk is full.
        """
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(_line(row))
        except OSError as error:
            raise EvaluationError(
                f"can't write {self._path}: {error.strerror}",
                hint="make room and run the same command again: it goes on from here",
            ) from error
        self.rows[row["id"]] = row

    def finish(self, order: Sequence[str]) -> list[Row]:
        """Put the rows in order, on disk too, and return them."""
        rows = [self.rows[name] for name in order if name in self.rows]
        self._write(rows)
        return rows

    def _write(self, rows: Sequence[Row]) -> None:
        header = {"format_version": FORMAT_VERSION, "about": self.about}
        text = "".join(map(_line, [header, *rows]))
        with replacing(self._path, durable=True) as temporary:
            temporary.write_text(text, encoding="utf-8")


def read_journal(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Read what the run is, and its whole rows.

    Raises:
        EvaluationError: it isn't a journal, or one of another version.
    """
    hint = "use another folder, or --fresh to begin again"
    try:
        header, *lines = path.read_text(encoding="utf-8").split("\n")
        head = json.loads(header)
        version, about = head["format_version"], head["about"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EvaluationError(f"{path} is no journal of a run: {error}", hint=hint) from error
    if version != FORMAT_VERSION:
        raise EvaluationError(
            f"{path} has format version {version}; this fimls reads {FORMAT_VERSION}", hint=hint
        )
    rows = []
    for number, line in enumerate(lines, start=2):
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            if number < len(lines):  # the last line is torn where a kill interrupted it
                raise EvaluationError(f"{path}:{number} is damaged: {error}", hint=hint) from error
    return about, rows


def _require_same(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    for name in wanted.keys() | found.keys():
        mine, theirs = wanted.get(name), found.get(name)
        if mine != theirs:
            if isinstance(mine, dict) and isinstance(theirs, dict):
                _require_same(path, theirs, mine)
                continue
            raise EvaluationError(
                f"{path} is of another run: its {name} was {theirs!r}, now it is {mine!r}",
                hint="--fresh begins again, -o names another folder",
            )


def _line(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=True) + "\n"
