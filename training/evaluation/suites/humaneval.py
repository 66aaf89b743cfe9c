"""HumanEval-infilling (Bavarian et al. 2022): 164 problems with holes, judged by their tests."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from fimls.types import Mode
from training.evaluation.execution import Verdict, run_program
from training.evaluation.suites.base import Item, Skipped
from training.types import EvaluationError

DATA = Path(__file__).parent.parent / "data" / "human-eval-infilling"
FILES = {
    "humaneval-single": ("HumanEval-SingleLineInfilling", Mode.SINGLE),
    "humaneval-multi": ("HumanEval-MultiLineInfilling", Mode.MULTI),
    "humaneval-random-span": ("HumanEval-RandomSpanInfilling", Mode.MULTI),
    "humaneval-random-span-light": ("HumanEval-RandomSpanInfillingLight", Mode.MULTI),
}
"""Each suite's file, and how much is asked for."""

BROKEN = "broken record"
PASSED = 87
"""The exit code of a program whose tests all ran: an answer that exits must not pass by it."""

_FIELDS = ("task_id", "prompt", "suffix", "canonical_solution", "test", "entry_point")


@dataclass(frozen=True, slots=True)
class ProgramJudge:
    """Runs ``before + completion + after``, which reaches its end if the tests pass."""

    before: str
    after: str

    def __call__(self, completion: str) -> Verdict:
        """See :class:`training.evaluation.suites.base.Judge`."""
        outcome = run_program(self.before + completion + self.after)
        passed = outcome.ended and outcome.exit_code == PASSED
        return Verdict(passed, "" if passed else outcome.killed_by or "failed")


class HumanEvalInfilling:
    """One of the four files. Its clusters are the problems."""

    sources = None

    def __init__(self, name: str, path: Path | None = None) -> None:
        """path: of another file of the same format, for tests."""
        file, self._mode = FILES[name]
        self.name = name
        self._kind = name.removeprefix("humaneval-")
        self._path = path or DATA / f"{file}.jsonl.gz"

    @cached_property
    def version(self) -> str:
        """Of the data file's bytes."""
        return hashlib.sha256(self._read()).hexdigest()[:12]

    def items(self) -> Iterator[Item | Skipped]:
        """Yield the tasks in the file's order."""
        try:
            lines = gzip.decompress(self._read()).decode("utf-8").splitlines()
        except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
            raise EvaluationError(f"{self._path} is damaged: {error}") from error
        for number, line in enumerate(lines, start=1):
            try:
                yield self._item(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                name = f"{self._path.name}:{number}"
                yield Skipped(name, BROKEN, f"{type(error).__name__}: {error}")

    def _read(self) -> bytes:
        try:
            return self._path.read_bytes()
        except OSError as error:
            raise EvaluationError(
                f"can't read the suite {self._path}: {error.strerror}",
                hint="install fimls again: its suites are part of it",
            ) from error

    def _item(self, row: dict[str, Any]) -> Item:
        if not all(isinstance(row[name], str) for name in _FIELDS):
            raise TypeError("not all fields are texts")
        prefix, suffix = row["prompt"], row["suffix"]
        after = (
            f"{suffix}\n{row['test']}\ncheck({row['entry_point']})\nraise SystemExit({PASSED})\n"
        )
        return Item(
            id=row["task_id"],
            cluster="/".join(row["task_id"].split("/")[1:3]),
            kind=self._kind,
            path="",
            language_id="python",
            prefix=prefix,
            suffix=suffix,
            reference=row["canonical_solution"],
            mode=self._mode,
            judge=ProgramJudge(prefix, after),
        )
