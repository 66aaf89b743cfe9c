"""Tests by ``go test``, offline, with a module's dependencies vendored or in the module cache.

Test ids are ``package-folder::TestName``. Coverage is taken for each test by itself: a compiled
test binary is run once for each.
"""

from __future__ import annotations

import json
import re
import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training.evaluation.execution.runners.base import (
    FAILING,
    FLAKY,
    FOLDER,
    SKIPPED,
    Survey,
    last_line,
    unfinished,
)
from training.evaluation.execution.sandbox import Limits, Outcome, Sandbox, Verdict
from training.types import EvaluationError

_BLOCK = re.compile(r"(.+):(\d+)\.\d+,\d+\.\d+ \d+ (\d+)")
_OUTPUT = re.compile(r"^\s+\S+\.go:\d+: ")
_MODULE = re.compile(r"^module\s+(\S+)", re.MULTILINE)
# For each package: compile with coverage, then each test by itself.
_COVER = """
mkdir -p .fimls/cover
for package in "$@"; do
  go test -c -cover -coverpkg=./... -o .fimls/binary "./$package" || continue
  for test in $(cd "$package" && "$OLDPWD/.fimls/binary" -test.list '^Test'); do
    (cd "$package" && "$OLDPWD/.fimls/binary" -test.run "^$test\\$" \
      -test.coverprofile="$OLDPWD/.fimls/cover/$(echo "$package" | tr / @)::$test") >/dev/null
  done
done
"""


@dataclass(frozen=True, slots=True)
class GoRunner:
    """``go test`` in a module.

    paths: only packages under these, relative to the tree.
    """

    paths: tuple[str, ...] = ()
    name: str = field(default="go", init=False)

    @property
    def language_ids(self) -> frozenset[str]:
        """See :class:`.Runner`."""
        return frozenset({"go"})

    @property
    def readable(self) -> tuple[Path, ...]:
        """See :class:`.Runner`: Go itself, and the modules that were fetched before."""
        go = shutil.which("go")
        if go is None:
            return ()
        modules = Path.home() / "go" / "pkg" / "mod"
        return (Path(go).resolve().parent.parent, *([modules] if modules.is_dir() else []))

    def detect(self, source: Path) -> bool:
        """See :class:`.Runner`."""
        return (source / "go.mod").is_file() and bool(self._packages(source))

    def survey(self, sandbox: Sandbox, limits: Limits) -> Survey:
        """See :class:`.Runner`. Tests of one package keep their order."""
        if shutil.which("go") is None:
            raise EvaluationError("there is no go here", hint="install Go to judge Go code")
        assert sandbox.source is not None
        packages = self._packages(sandbox.source)
        first = self._test(sandbox, limits, packages, {})
        states, second = _states(first), _states(self._test(sandbox, limits, packages, {}))
        if not states:
            raise EvaluationError(
                "the repository's tests don't run: "
                + (unfinished(first) or last_line(first.stderr) or last_line(first.stdout)),
                hint="does `go test ./...` work there without a network? `go mod vendor` helps",
            )
        passing: dict[str, float] = {}
        left_out: dict[str, str] = {}
        for test, record in states.items():
            if second.get(test, {}).get("Action") != record["Action"]:
                left_out[test] = FLAKY
            elif record["Action"] == "pass":
                passing[test] = float(record["Elapsed"])
            else:
                left_out[test] = SKIPPED if record["Action"] == "skip" else FAILING
        return Survey(passing, left_out, self._called(sandbox, limits, packages, passing))

    def judge(
        self, sandbox: Sandbox, tests: Sequence[str], replaced: Mapping[str, str], limits: Limits
    ) -> Verdict:
        """See :class:`.Runner`. ``os.Exit(0)`` within a test is a failure to go test itself."""
        packages = list(dict.fromkeys(test.split("::")[0] for test in tests))
        names = sorted({test.split("::")[1] for test in tests})
        chosen = ("-run", f"^({'|'.join(names)})$")
        outcome = self._test(sandbox, limits, packages, replaced, chosen)
        if reason := unfinished(outcome):
            return Verdict(passed=False, detail=reason)
        states = _states(outcome)
        for test in tests:
            if states.get(test, {}).get("Action") != "pass":
                said = states.get(test, {}).get("said", "") or last_line(outcome.stderr)
                return Verdict(passed=False, detail=said or f"did not pass: {test}")
        return Verdict(passed=True)

    def _packages(self, source: Path) -> list[str]:
        folders = {
            path.parent.relative_to(source).as_posix()
            for path in source.rglob("*_test.go")
            if "vendor" not in path.parts and "testdata" not in path.parts
        }
        return sorted(each for each in folders if not self.paths or each.startswith(self.paths))

    def _test(
        self,
        sandbox: Sandbox,
        limits: Limits,
        packages: Sequence[str],
        replaced: Mapping[str, str],
        chosen: Sequence[str] = (),
    ) -> Outcome:
        tests = (
            [
                path.relative_to(sandbox.source).as_posix()
                for package in packages
                for path in sorted((sandbox.source / package).glob("*_test.go"))
            ]
            if sandbox.source
            else []
        )
        answer = f"{FOLDER}/answer.jsonl"
        script = f'mkdir -p {FOLDER} && go test -json "$@" > {answer}'
        arguments = [*chosen, *(f"./{package}" for package in packages)]
        return sandbox.run(
            ["/bin/sh", "-c", script, "sh", *arguments],
            limits=limits,
            replaced=replaced,
            protected=[path for path in [*tests, "go.mod"] if path not in replaced],
            collected=[answer, "go.mod"],
            environment=self._environment(),
        )

    def _called(
        self,
        sandbox: Sandbox,
        limits: Limits,
        packages: Sequence[str],
        passing: Mapping[str, float],
    ) -> dict[tuple[str, int], tuple[str, ...]]:
        outcome = sandbox.run(
            ["/bin/sh", "-c", _COVER, "sh", *packages],
            limits=limits,
            collected=[f"{FOLDER}/cover/*", "go.mod"],
            environment=self._environment(),
        )
        module = _module(outcome)
        called: dict[tuple[str, int], list[str]] = defaultdict(list)
        for name, data in sorted(outcome.files.items()):
            test = name.removeprefix(f"{FOLDER}/cover/").replace("@", "/")
            if test not in passing:
                continue
            for line in data.decode("utf-8", "replace").splitlines():
                block = _BLOCK.fullmatch(line)
                if block is not None and int(block[3]):
                    place = block[1].removeprefix(f"{module}/"), int(block[2])
                    called[place].append(test)
        return {place: tuple(tests) for place, tests in called.items()}

    def _environment(self) -> dict[str, str]:
        modules = self.readable[1:]
        return {
            "PATH": f"{self.readable[0]}/bin:/usr/bin:/bin",
            "GOPROXY": "off",
            "GOFLAGS": "-count=1",
            "GOTOOLCHAIN": "local",
            "CGO_ENABLED": "0",
            **({"GOMODCACHE": str(modules[0])} if modules else {}),
        }


def _module(outcome: Outcome) -> str:
    found = _MODULE.search(outcome.files.get("go.mod", b"").decode("utf-8", "replace"))
    return found[1] if found else ""


def _states(outcome: Outcome) -> dict[str, dict[str, Any]]:
    """Return the last record of each test, subtests left out, with a line of what it said."""
    states: dict[str, dict[str, Any]] = {}
    said: dict[str, str] = {}
    module = _module(outcome)
    for line in outcome.files.get(f"{FOLDER}/answer.jsonl", b"").splitlines():
        if not line.startswith(b"{"):
            continue
        record = json.loads(line)
        name = record.get("Test", "")
        if not name or "/" in name:
            continue
        package = record["Package"].removeprefix(module).lstrip("/") or "."
        test = f"{package}::{name}"
        if record["Action"] == "output" and _OUTPUT.match(record["Output"]):
            said.setdefault(test, last_line(record["Output"]))
        elif record["Action"] in {"pass", "fail", "skip"}:
            states[test] = {**record, "said": said.get(test, "")}
    return states
