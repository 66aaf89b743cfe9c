"""Tests by node's own runner, ``node --test``, and V8's coverage. Test ids are ``file::name``.

V8 writes coverage when a process ends, and node runs each test file in a process of its own: every
test counts as a caller of all functions that its file calls.
"""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from training.evaluation.execution.runners.base import (
    FAILING,
    FLAKY,
    FOLDER,
    INJECTED,
    NETWORK,
    SKIPPED,
    Survey,
    last_line,
    unfinished,
)
from training.evaluation.execution.sandbox import Limits, Outcome, Sandbox, Verdict
from training.types import EvaluationError

_REPORTER, _ANSWER = "fimls_reporter.mjs", f"{FOLDER}/answer.jsonl"
_COVERAGE = f"{FOLDER}/coverage"
_PATTERNS = tuple(
    f"**/{name}.{suffix}"
    for name in ("*.test", "*-test", "*_test", "test-*", "test", "test/**/*")
    for suffix in ("js", "mjs", "cjs")
)
_UNREACHABLE = ("ENETUNREACH", "EAI_AGAIN", "ENOTFOUND", "fetch failed")


@dataclass(frozen=True, slots=True)
class NodeRunner:
    """``node --test`` in the tree; its dependencies are those in ``node_modules``.

    paths: only tests in these files or folders, relative to the tree.
    """

    paths: tuple[str, ...] = ()
    name: str = field(default="node", init=False)

    @property
    def language_ids(self) -> frozenset[str]:
        """See :class:`.Runner`. What is compiled first has other lines than its source."""
        return frozenset({"javascript"})

    @property
    def readable(self) -> tuple[Path, ...]:
        """See :class:`.Runner`."""
        node = shutil.which("node")
        return () if node is None else (Path(node).resolve().parent.parent,)

    def detect(self, source: Path) -> bool:
        """See :class:`.Runner`."""
        package = source / "package.json"
        try:
            scripts = json.loads(package.read_text("utf-8")).get("scripts", {})
        except (OSError, ValueError, AttributeError):
            return False
        return "node --test" in str(scripts.get("test", "")) and bool(self._files(source))

    def survey(self, sandbox: Sandbox, limits: Limits) -> Survey:
        """See :class:`.Runner`. Its tests have an order of their own: both runs keep it."""
        if shutil.which("node") is None:
            raise EvaluationError("there is no node here", hint="install Node.js 20 or later")
        assert sandbox.source is not None
        files = self._files(sandbox.source)
        first = self._run(sandbox, limits, files, {}, measured=True)
        again = self._run(sandbox, limits, files, {}, measured=False)
        states, second = _states(first), _states(again)
        if not states:
            raise EvaluationError(
                "the repository's tests don't run: "
                + (unfinished(first) or last_line(first.stderr) or "node reports none"),
                hint="does `node --test` work there?",
            )
        passing = {
            test: float(record["duration_s"])
            for test, record in states.items()
            if record["passed"] and second.get(test, {}).get("passed")
        }
        left_out = {
            test: _reason(record, second.get(test))
            for test, record in states.items()
            if test not in passing
        }
        by_file: dict[str, list[str]] = defaultdict(list)
        for test in passing:
            by_file[test.split("::")[0]].append(test)
        called: dict[tuple[str, int], list[str]] = defaultdict(list)
        for place, callers in _called(first, sandbox.tree, sandbox.source).items():
            for file in sorted(callers):
                called[place] += by_file[file]
        return Survey(passing, left_out, {place: tuple(ids) for place, ids in called.items()})

    def judge(
        self, sandbox: Sandbox, tests: Sequence[str], replaced: Mapping[str, str], limits: Limits
    ) -> Verdict:
        """See :class:`.Runner`. A file that ends early misses its tests, whatever its exit code."""
        files = list(dict.fromkeys(test.split("::")[0] for test in tests))
        outcome = self._run(sandbox, limits, files, replaced, measured=False)
        if reason := unfinished(outcome):
            return Verdict(passed=False, detail=reason)
        states = _states(outcome)
        for test in tests:
            record = states.get(test)
            if record is None or not record["passed"]:
                said = last_line(record["detail"]) if record else f"did not run: {test}"
                return Verdict(passed=False, detail=said or test)
        return Verdict(passed=True)

    def _files(self, source: Path) -> list[str]:
        found = {
            path.relative_to(source).as_posix()
            for pattern in _PATTERNS
            for path in source.glob(pattern)
            if path.is_file() and "node_modules" not in path.parts
        }
        return sorted(path for path in found if not self.paths or path.startswith(self.paths))

    def _run(
        self,
        sandbox: Sandbox,
        limits: Limits,
        files: Sequence[str],
        replaced: Mapping[str, str],
        *,
        measured: bool,
    ) -> Outcome:
        return sandbox.run(
            [
                *("node", "--test", f"--test-reporter=./{FOLDER}/{_REPORTER}"),
                *(f"--test-reporter-destination={_ANSWER}", *files),
            ],
            limits=limits,
            replaced={
                **replaced,
                f"{FOLDER}/{_REPORTER}": (INJECTED / _REPORTER).read_text("utf-8"),
            },
            protected=[path for path in files if path not in replaced],
            collected=[_ANSWER, *([f"{_COVERAGE}/*.json"] if measured else [])],
            environment={
                "PATH": f"{self.readable[0]}/bin:/usr/bin:/bin",
                **({"NODE_V8_COVERAGE": f"{sandbox.tree}/{_COVERAGE}"} if measured else {}),
            },
        )


def _states(outcome: Outcome) -> dict[str, dict[str, Any]]:
    """Return the tests' records by id; a name that occurs twice has passed if both have."""
    states: dict[str, dict[str, Any]] = {}
    for line in outcome.files.get(_ANSWER, b"").splitlines():
        record = json.loads(line)
        if record["suite"] or record["file"] is None or record["name"] == record["file"]:
            continue
        file = record["file"].split("/tree/", 1)[-1]
        test = f"{file}::{record['name']}"
        if test not in states or states[test]["passed"]:
            states[test] = record
    return states


def _reason(record: Mapping[str, Any], again: Mapping[str, Any] | None) -> str:
    if record["skipped"]:
        return SKIPPED
    if again is None or again["passed"] != record["passed"]:
        return FLAKY
    return NETWORK if any(word in record["detail"] for word in _UNREACHABLE) else FAILING


def _called(outcome: Outcome, tree: str, source: Path) -> dict[tuple[str, int], set[str]]:
    """Return which test files called the function that begins at a place."""
    called: dict[tuple[str, int], set[str]] = defaultdict(set)
    for name, data in outcome.files.items():
        if not name.startswith(_COVERAGE):
            continue
        scripts = [
            (unquote(urlsplit(script["url"]).path).removeprefix(f"{tree}/"), script["functions"])
            for script in json.loads(data)["result"]
            if script["url"].startswith(f"file://{tree}/")
        ]
        paths = {path for path, _ in scripts}
        tests = paths & {test.split("::")[0] for test in _states(outcome)}
        for path, functions in scripts:
            for line in _lines(source / path, functions):
                called[path, line] |= tests
    return called


def _lines(path: Path, functions: Iterable[Mapping[str, Any]]) -> set[int]:
    """Return the first lines of the functions that were called. V8 counts UTF-16 units."""
    try:
        text = path.read_text("utf-8").encode("utf-16-le")
    except (OSError, UnicodeDecodeError):
        return set()
    starts = [
        function["ranges"][0]["startOffset"]
        for function in functions
        if function["functionName"] and function["ranges"][0]["count"] > 0
    ]
    return {text[: 2 * start].decode("utf-16-le", "replace").count("\n") + 1 for start in starts}
