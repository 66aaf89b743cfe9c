"""The HumanEval-infilling harness: who passes, who fails, and that no answer gets out of it."""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fimls.postprocess import process
from fimls.types import CompletionContext, FinishReason, Generation

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SUITES = {"single": 1033, "multi": 5815, "random-span-light": 164}


@pytest.fixture(scope="module")
def harness() -> Iterator[Any]:
    """The benchmark's script as a module; it finds its neighbours as scripts do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield importlib.import_module("humaneval_infilling")


@pytest.fixture
def task(harness: Any) -> Any:
    """A small problem: add two numbers."""
    return harness.Task(
        id="add/0/L0",
        problem="add/0",
        prefix="def add(a, b):\n",
        suffix="",
        middle="    return a + b\n",
        test="def check(candidate):\n    assert candidate(1, 2) == 3\n",
        entry_point="add",
    )


def first_tasks(harness: Any, suite: str, limit: int) -> list[Any]:
    """Tasks of different problems, in the file's order."""
    tasks: list[Any] = harness.read_tasks(suite, one_per_problem=True, limit=limit, seed=0)
    return tasks


def passed(harness: Any, tasks: list[Any], texts: list[str]) -> list[bool]:
    """Judge one answer for each task."""
    answers = [harness.Answer(task.id, text) for task, text in zip(tasks, texts, strict=True)]
    asyncio.run(harness.judge(tasks, answers))
    return [answer.passed for answer in answers]


@pytest.mark.parametrize("suite", SUITES)
def test_reference_passes_and_nothing_fails(harness: Any, suite: str) -> None:
    """The true middles pass all tests; nothing in their place passes hardly any."""
    tasks = first_tasks(harness, suite, 4)
    assert [True] * 4 == passed(harness, tasks, [task.middle for task in tasks])
    assert 1 >= sum(passed(harness, tasks, [""] * 4))


@pytest.mark.parametrize("suite", SUITES)
def test_read_tasks(harness: Any, suite: str) -> None:
    """Every task is there, with its 164 problems; the choice of one for each is repeatable."""
    tasks = harness.read_tasks(suite, one_per_problem=False, limit=None, seed=0)
    assert (SUITES[suite], 164) == (len(tasks), len({task.problem for task in tasks}))
    chosen, again, other = (
        harness.read_tasks(suite, one_per_problem=True, limit=None, seed=seed) for seed in (0, 0, 1)
    )
    assert 164 == len({task.problem for task in chosen})
    assert chosen == again
    assert (chosen == other) == (len(tasks) == 164)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param("    return a - b\n", id="wrong"),
        pytest.param("    return (\n", id="no program"),
        pytest.param("    raise SystemExit(0)\n", id="exits"),
        pytest.param("    import os; os._exit(0)\n", id="exits at once"),
        pytest.param("    pass\nimport sys; sys.exit()\n", id="exits before the tests"),
        pytest.param("    return bytearray(4 << 30)\n", id="takes all memory"),
        pytest.param("    import os; os.kill(os.getpid(), 9)\n", id="kills itself"),
        pytest.param("    return input()\n", id="reads standard input"),
        pytest.param("    return '\ud800'\n", id="not encodable"),
    ],
)
def test_bad_answer_fails(harness: Any, task: Any, answer: str) -> None:
    """An answer that is wrong, or ends the process in whatever way, doesn't pass."""
    assert [False] == passed(harness, [task], [answer])


def test_endless_answer_is_stopped(
    harness: Any, task: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that never ends fails when its time is up, asleep or at work."""
    monkeypatch.setattr(harness, "TEST_TIMEOUT_S", 1)
    answers = ["    while True: pass\n", "    import time; time.sleep(60)\n"]
    began = time.perf_counter()
    assert [False, False] == passed(harness, [task, task], answers)
    assert time.perf_counter() - began < 10


def test_answer_runs_in_a_folder_of_its_own(
    harness: Any, task: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an answer writes doesn't stay where the benchmark runs."""
    monkeypatch.chdir(tmp_path)
    answer = "    open('litter', 'w').write('x')\n    return a + b\n"
    assert [True] == passed(harness, [task], [answer])
    assert [] == list(tmp_path.iterdir())


def test_summary(harness: Any, task: Any) -> None:
    """The rate is over tasks, its standard error over problems."""
    tasks = [task] * 4
    answers = [
        harness.Answer(task.id, task.middle if index else "", passed=bool(index), total_ms=index)
        for index in range(4)
    ]
    summary = harness.summary(tasks, answers)
    expected = {
        "tasks_count": 4,
        "problems": 1,
        "pass_at_1_percent": 75.0,
        "standard_error_percent": 0.0,  # one problem: its tasks' errors cancel out
        "exact_match_percent": 75.0,
        "empty": 1,
        "median_ms": 1.5,
    }
    assert expected == {key: summary[key] for key in expected}


def test_post_processing_leaves_true_lines_alone(harness: Any) -> None:
    """Of all true single-line middles, post-processing changes hardly one."""
    mode = harness.SUITES["single"][1]
    changed = 0
    for task in harness.read_tasks("single", one_per_problem=False, limit=None, seed=0):
        context = CompletionContext(task.prefix, task.suffix, mode=mode)
        generation = Generation((), task.middle, (), FinishReason.STOP)
        changed += process(generation, context).text.strip() != task.middle.strip()
    assert changed <= 2
