"""Tests by pytest, under an interpreter that has the repository's dependencies and pytest."""

from __future__ import annotations

import json
import re
import secrets
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training.evaluation.execution.protection import interpreter_folders
from training.evaluation.execution.runners.base import (
    FAILING,
    FLAKY,
    FOLDER,
    INJECTED,
    NETWORK,
    SKIPPED,
    Survey,
    failure,
    last_line,
    unfinished,
)
from training.evaluation.execution.sandbox import Limits, Outcome, Sandbox, Verdict
from training.types import EvaluationError

_PLUGIN = "fimls_pytest"
_TRAP = "fimls::trap"
_REQUEST, _ANSWER = f"{FOLDER}/request.json", f"{FOLDER}/answer.jsonl"
_TEST_S = 30.0
_TESTS_FAILED = 1  # pytest's exit code; the trap always fails
_UNREACHABLE = re.compile(
    r"Network is unreachable|Name or service not known|failure in name resolution|gaierror"
    r"|No address associated|ConnectError|getaddrinfo failed"
)
_SETTINGS = ("conftest.py", "pytest.ini", ".pytest.ini", "pyproject.toml", "setup.cfg", "tox.ini")


@dataclass(frozen=True, slots=True)
class PytestRunner:
    """``python -m pytest`` in the tree.

    python: the interpreter. paths: only tests under these, relative to the tree; () for what the
    project's settings say.
    """

    python: str
    paths: tuple[str, ...] = ()
    name: str = field(default="pytest", init=False)

    @property
    def language_ids(self) -> frozenset[str]:
        """See :class:`.Runner`."""
        return frozenset({"python"})

    @property
    def readable(self) -> tuple[Path, ...]:
        """See :class:`.Runner`."""
        return tuple(interpreter_folders(self.python))

    def detect(self, source: Path) -> bool:
        """See :class:`.Runner`."""
        patterns = ("test_*.py", "*_test.py")
        return any(next(source.rglob(pattern), None) is not None for pattern in patterns)

    def survey(self, sandbox: Sandbox, limits: Limits) -> Survey:
        """See :class:`.Runner`."""
        first = self._all(sandbox, limits, traced=True)
        again = self._all(sandbox, limits, traced=False)
        passing: dict[str, float] = {}
        left_out: dict[str, str] = {}
        for test, record in first.states.items():
            reason = _reason(record, again.states.get(test))
            if reason is None:
                passing[test] = float(record["duration_s"])
            else:
                left_out[test] = reason
        called: dict[tuple[str, int], list[str]] = defaultdict(list)
        for test, places in first.called.items():
            for path, line in places if test in passing else ():
                called[path, line].append(test)
        return Survey(passing, left_out, {place: tuple(ids) for place, ids in called.items()})

    def judge(
        self, sandbox: Sandbox, tests: Sequence[str], replaced: Mapping[str, str], limits: Limits
    ) -> Verdict:
        """See :class:`.Runner`."""
        answer = self._run(
            sandbox, limits, tests=tests, replaced=replaced, traced=False, again=False
        )
        if reason := unfinished(answer.outcome):
            return Verdict(passed=False, detail=reason)
        for test, record in answer.states.items():  # a file that can't be imported has one too
            if record["state"] == "failed":
                return Verdict(passed=False, detail=failure(record["detail"]) or test)
        if not answer.whole:
            return Verdict(passed=False, detail="the test session was cut short or tampered with")
        missing = [t for t in tests if answer.states.get(t, {}).get("state") != "passed"]
        if missing:
            return Verdict(passed=False, detail=f"did not run: {missing[0]}")
        return Verdict(passed=True)

    def _all(self, sandbox: Sandbox, limits: Limits, *, traced: bool) -> _Answer:
        """Run all tests; the run that isn't traced goes the other way round.

        Raises:
            EvaluationError: pytest doesn't get to its end.
        """
        answer = self._run(
            sandbox, limits, tests=None, replaced={}, traced=traced, again=not traced
        )
        if not answer.whole:
            said = last_line(answer.outcome.stderr) or last_line(answer.outcome.stdout)
            reason = unfinished(answer.outcome) or said
            raise EvaluationError(
                f"the repository's tests don't run: {reason}",
                hint=f"does `{self.python} -m pytest` work there? `--python` names the interpreter "
                "that has its dependencies",
            )
        return answer

    def _run(
        self,
        sandbox: Sandbox,
        limits: Limits,
        *,
        tests: Sequence[str] | None,
        replaced: Mapping[str, str],
        traced: bool,
        again: bool,
    ) -> _Answer:
        nonce = secrets.token_hex(16)
        request = {
            "nonce": nonce,
            "tests": None if tests is None else list(tests),
            "traced": traced,
            "reversed": again,
            "stops": tests is not None,
            "test_s": _TEST_S,
        }
        files = [] if tests is None else list(dict.fromkeys(test.split("::")[0] for test in tests))
        inside = f"{sandbox.tree}/{FOLDER}"
        outcome = sandbox.run(
            [
                *(self.python, "-m", "pytest", "-q", "--tb=short", "--color=no"),
                *("-p", _PLUGIN, "-p", "no:randomly", "--rootdir", sandbox.tree),
                *(files or self.paths),
            ],
            limits=limits,
            replaced={
                **replaced,
                _REQUEST: json.dumps(request),
                f"{FOLDER}/{_PLUGIN}.py": (INJECTED / f"{_PLUGIN}.py").read_text("utf-8"),
            },
            protected=[path for path in _unchanged(sandbox.source, files) if path not in replaced],
            collected=[_ANSWER],
            environment={
                "PYTHONPATH": f"{inside}:{sandbox.tree}/src:{sandbox.tree}",
                "PYTHONDONTWRITEBYTECODE": "1",
                "FIMLS_REQUEST": f"{sandbox.tree}/{_REQUEST}",
                "FIMLS_ANSWER": f"{sandbox.tree}/{_ANSWER}",
                "OMP_NUM_THREADS": "1",
                "OPENBLAS_NUM_THREADS": "1",
            },
        )
        return _Answer.of(outcome, nonce)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the plugin wrote. whole: to its end, signed, with the trap having failed."""

    outcome: Outcome
    states: dict[str, dict[str, Any]]
    called: dict[str, list[tuple[str, int]]]
    whole: bool

    @classmethod
    def of(cls, outcome: Outcome, nonce: str) -> _Answer:
        states: dict[str, dict[str, Any]] = {}
        called: dict[str, list[tuple[str, int]]] = {}
        signed = False
        for record in _records(outcome.files.get(_ANSWER, b"")):
            if "called" in record:
                called[record["test"]] = [(path, line) for path, line in record["called"]]
            elif "state" in record:
                states[record["test"]] = record
            signed = record.get("nonce") == nonce
        trap = states.pop(_TRAP, {}).get("state")
        called.pop(_TRAP, None)
        whole = outcome.exit_code == _TESTS_FAILED and signed and trap == "failed"
        return cls(outcome, states, called, whole)


def _records(data: bytes) -> Iterator[dict[str, Any]]:
    """Yield the lines that are objects: a killed run's last line may be half of one."""
    for line in data.splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            return
        if isinstance(record, dict):
            yield record


def _reason(record: Mapping[str, Any], again: Mapping[str, Any] | None) -> str | None:
    """Return why a test is left out, None if it stays."""
    if record["state"] == "skipped":
        return SKIPPED
    if again is None or again["state"] != record["state"]:
        return FLAKY
    if record["state"] == "passed":
        return None
    return NETWORK if _UNREACHABLE.search(record.get("detail", "")) else FAILING


def _unchanged(source: Path | None, tests: Sequence[str]) -> list[str]:
    """Return the files that decide what the tests are: they may not be rewritten on the way."""
    if source is None:
        return list(tests)
    settings = [name for name in _SETTINGS if (source / name).is_file()]
    around = {parent / "conftest.py" for test in tests for parent in Path(test).parents}
    return [
        *tests,
        *settings,
        *sorted(
            path.as_posix() for path in around if (source / path).is_file() and path.parent.name
        ),
    ]
