"""Repositories' own tests, found, run, and not to be talked into passing."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from training.evaluation.execution import Limits, Sandbox
from training.evaluation.execution.runners import find_runner
from training.evaluation.execution.runners.base import FAILING, FLAKY, NETWORK, SKIPPED
from training.evaluation.execution.runners.pytest_runner import PytestRunner
from training.evaluation.suites.base import Item, Skipped
from training.evaluation.suites.functions import RepositoryFunctions
from training.types import EvaluationError

LIMITS = Limits(cpu_s=20, wall_s=100.0, processes=64)
SOURCE = '''\
def add(a, b):
    """Add."""
    return a + b


def unused(a):
    return a * 2


def ignored(a):
    print(a)
    return None


def todo():
    """Later."""
    pass
'''
TESTS = """\
import os
import random
import socket

import pytest

from sums import add, ignored


def test_add():
    assert add(1, 2) == 3


def test_more():
    assert add(-1, 1) == 0


def test_ignored():
    ignored(1)


def test_failing():
    assert add(1, 1) == 3


def test_network():
    socket.create_connection(("example.org", 80), timeout=1)


def test_flaky():
    assert os.path.exists("conftest.py") and random.SystemRandom().random() < state()


def state():
    return 2 if "FIMLS_FIRST" in os.environ else -1


@pytest.mark.skip
def test_skipped():
    pass
"""
FORGED = (
    "import _pytest.reports as r; r.TestReport.from_item_and_call = classmethod("
    "lambda c, item, call: c(item.nodeid, item.location, {}, 'passed', None, call.when))"
)
ADD = "tests/test_sums.py::test_add"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package with tests of every sort."""
    root = tmp_path_factory.mktemp("sums")
    (root / "tests").mkdir()
    (root / "sums.py").write_text(SOURCE)
    (root / "conftest.py").write_text("")
    (root / "tests" / "test_sums.py").write_text(TESTS)
    return root


@pytest.fixture(scope="module")
def runner() -> PytestRunner:
    """Pytest under this interpreter."""
    return PytestRunner(sys.executable)


@pytest.fixture(scope="module")
def sandbox(repository: Path, runner: PytestRunner) -> Iterator[Sandbox]:
    """The package's sandbox."""
    with Sandbox(repository, readable=runner.readable) as opened:
        yield opened


def replaced(body: str) -> dict[str, str]:
    """The package with another body of ``add``."""
    return {"sums.py": f"def add(a, b):\n    {body}\n\n\ndef ignored(a): pass\n"}


def test_a_survey_knows_what_passes_and_what_is_called(
    sandbox: Sandbox, runner: PytestRunner
) -> None:
    """Failing, skipped and unreachable tests are left out, each with its reason."""
    survey = runner.survey(sandbox, LIMITS)
    assert {ADD, "tests/test_sums.py::test_more", "tests/test_sums.py::test_ignored"} == set(
        survey.passing
    )
    assert 2 == list(survey.left_out.values()).count(FAILING)
    assert 1 == list(survey.left_out.values()).count(NETWORK)
    assert 1 == list(survey.left_out.values()).count(SKIPPED)
    assert (ADD, "tests/test_sums.py::test_more") == survey.called["sums.py", 1]
    assert ("sums.py", 6) not in survey.called


def test_a_test_that_passes_once_is_flaky(tmp_path: Path, runner: PytestRunner) -> None:
    """Two runs must agree; here the order decides."""
    (tmp_path / "test_order.py").write_text(
        "SEEN = []\ndef test_a(): SEEN.append(1)\ndef test_b(): assert SEEN\n"
    )
    with Sandbox(tmp_path, readable=runner.readable) as sandbox:
        survey = runner.survey(sandbox, LIMITS)
    assert {"test_order.py::test_b": FLAKY} == survey.left_out


@pytest.mark.parametrize(
    ("body", "passed", "detail"),
    [
        ("return a + b", True, ""),
        ("return a - b", False, "assert"),
        ("return (", False, "SyntaxError"),
        ("import os; os._exit(0)", False, "cut short"),
        ("import sys; sys.exit(0)", False, "SystemExit"),
        ("import pytest; pytest.exit('done', returncode=1)", False, ""),
        ("import pytest; pytest.skip('done')", False, "did not run"),
        ("import os; open('tests/test_sums.py', 'w').write(''); return a + b", False, "changed"),
        (
            FORGED,
            False,
            "tampered",
        ),
        ("import os; os.fork() or os._exit(0); return a + b", True, ""),
        ("import time; time.sleep(60)", False, "wall"),
    ],
)
def test_judging_sees_through_it(
    sandbox: Sandbox, runner: PytestRunner, body: str, *, passed: bool, detail: str
) -> None:
    """Only what the tests accept passes, however a body tries to end or bend them."""
    limits = Limits(cpu_s=20, wall_s=5.0 if "sleep" in body else 100.0)
    judged = runner.judge(sandbox, [ADD], replaced(body), limits)
    assert passed == judged.passed
    assert detail in judged.detail


def test_no_pytest_is_said(repository: Path, runner: PytestRunner) -> None:
    """An interpreter without pytest is named as the reason."""
    bare = PytestRunner("/usr/bin/python3")
    with (
        Sandbox(repository, readable=bare.readable) as sandbox,
        pytest.raises(EvaluationError) as said,
    ):
        bare.survey(sandbox, LIMITS)
    assert "--python" in (said.value.hint or "")


def test_no_tests_is_said(tmp_path: Path) -> None:
    """A folder without tests is refused."""
    with pytest.raises(EvaluationError, match="no tests"):
        find_runner(tmp_path)


def test_the_suite_keeps_functions_that_tests_can_judge(
    repository: Path, runner: PytestRunner
) -> None:
    """A covered function is an item; the others are named with their reasons."""
    suite = RepositoryFunctions(repository, runner)
    found = list(suite.items())
    [item] = [each for each in found if isinstance(each, Item)]
    reasons = Counter(each.reason for each in found if isinstance(each, Skipped))
    assert "return a + b" == item.reference
    assert item.prefix.endswith('"""Add."""\n    ')
    assert SOURCE == item.prefix + item.reference + item.suffix
    assert item.judge is not None
    assert item.judge("return b + a").passed
    assert not item.judge("return b - a").passed
    assert {
        "trivial body": 1,
        "no passing test calls it": 1,
        "its tests pass without it": 1,
    } == {reason: count for reason, count in reasons.items() if not reason.startswith("test: ")}
