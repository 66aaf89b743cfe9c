"""HumanEval-infilling (Bavarian et al. 2022) through the shipped completer.

    python benchmarks/humaneval_infilling.py single
    python benchmarks/humaneval_infilling.py multi --one-per-problem
    python benchmarks/humaneval_infilling.py random-span-light --raw
    python benchmarks/humaneval_infilling.py single --answers reference      # the harness itself

Each task is a document with its middle missing; what the completer would show is put in its place
and the problem's own tests are run. Greedy, no deadline, no context from other files.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import math
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from record import write_result
from rich.progress import Progress

from fimls.cli.options import parse_assignments
from fimls.completer import Completer
from fimls.config import COMMAND_LINE, Settings, merge
from fimls.engines.loading import load_engine
from fimls.store import Store
from fimls.types import Document, Mode

DATA = Path(__file__).parent.parent / "training/evaluation/data/human-eval-infilling"
SUITES = {
    "single": ("HumanEval-SingleLineInfilling", Mode.SINGLE),
    "multi": ("HumanEval-MultiLineInfilling", Mode.MULTI),
    "random-span": ("HumanEval-RandomSpanInfilling", Mode.MULTI),
    "random-span-light": ("HumanEval-RandomSpanInfillingLight", Mode.MULTI),
}
PASSED = 87
"""The exit code of a program whose tests all ran: an answer that exits must not pass by it."""
TEST_TIMEOUT_S = 10
TEST_MEMORY_BYTES = 2 << 30
TEST_FILE_BYTES = 1 << 20
# The child limits itself: preexec_fn is not safe beside the threads that wait for other children.
_WITH_LIMITS = """
import resource, sys
for argument in sys.argv[1:]:
    limit, value = map(int, argument.split("="))
    resource.setrlimit(limit, (value, value))
exec(compile(sys.stdin.buffer.read(), "answer.py", "exec"), {"__name__": "__main__"})
"""
_TESTS_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Task:
    """A problem's code with a hole, and the tests that judge what is put in."""

    id: str
    problem: str
    prefix: str
    suffix: str
    middle: str
    test: str
    entry_point: str

    def program(self, answer: str) -> str:
        """The module that reaches its end, exit code ``PASSED``, if ``answer`` is right."""
        return (
            f"{self.prefix}{answer}{self.suffix}\n{self.test}\n"
            f"check({self.entry_point})\nraise SystemExit({PASSED})\n"
        )


@dataclass(slots=True)
class Answer:
    """What the completer gave for a task, and whether it passed."""

    id: str
    text: str
    passed: bool = False
    suppressed: str | None = None
    finish_reason: str | None = None
    generated_tokens: int = 0
    prompt_tokens: int = 0
    total_ms: float = 0.0


def read_tasks(suite: str, *, one_per_problem: bool, limit: int | None, seed: int) -> list[Task]:
    """A suite's tasks in the file's order; a seeded choice of one for each problem if asked."""
    with gzip.open(DATA / f"{SUITES[suite][0]}.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    tasks = [
        Task(
            id=row["task_id"],
            problem="/".join(row["task_id"].split("/")[1:3]),
            prefix=row["prompt"],
            suffix=row["suffix"],
            middle=row["canonical_solution"],
            test=row["test"],
            entry_point=row["entry_point"],
        )
        for row in rows
    ]
    if one_per_problem:
        by_problem: dict[str, list[Task]] = defaultdict(list)
        for task in tasks:
            by_problem[task.problem].append(task)
        generator = random.Random(seed)  # noqa: S311 - a choice of tasks, not a secret
        tasks = [generator.choice(group) for group in by_problem.values()]
    return tasks[:limit]


async def complete(tasks: Sequence[Task], settings: Settings, options: Any) -> list[Answer]:
    """Ask the completer, several documents at a time."""
    engine = await load_engine(settings, Store())
    completer = Completer(engine, settings)
    mode = SUITES[options.suite][1]
    answers: dict[str, Answer] = {}
    waiting = iter(tasks)

    async def work(bar: Progress, row: Any) -> None:
        for task in waiting:
            document = Document(task.id, "python", 0, task.prefix + task.suffix)
            result = await completer.complete(
                document,
                len(task.prefix),
                invoked=True,
                candidates=options.candidates,
                mode=mode,
            )
            shown = result.completions[0].text if result.completions else ""
            generation = result.generations[0]
            answers[task.id] = Answer(
                id=task.id,
                text=generation.text if options.raw else shown,
                suppressed=result.suppressed,
                finish_reason=generation.finish_reason.value,
                generated_tokens=len(generation.token_ids),
                prompt_tokens=result.usage.prompt_tokens,
                total_ms=round(result.usage.total_ms, 1),
            )
            bar.advance(row)

    try:
        with Progress() as bar:
            row = bar.add_task("completing", total=len(tasks))
            await asyncio.gather(*(work(bar, row) for _ in range(options.concurrency)))
    finally:
        await completer.aclose()
    return [answers[task.id] for task in tasks]


async def judge(tasks: Sequence[Task], answers: Sequence[Answer]) -> None:
    """Run each task's tests on its answer, in a process with limits, and note which passed."""
    free = asyncio.Semaphore(_TESTS_AT_ONCE)

    async def run(task: Task, answer: Answer) -> None:
        async with free:
            answer.passed = await asyncio.to_thread(passes, task.program(answer.text))

    await asyncio.gather(*map(run, tasks, answers))


def passes(program: str) -> bool:
    """Whether a program reaches its end within the limits; an early ``exit()`` does not count."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-c", _WITH_LIMITS, *_limits()],
                input=program.encode("utf-8", errors="surrogatepass"),
                cwd=folder,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=TEST_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
    return done.returncode == PASSED


def _limits() -> list[str]:
    limits = {
        resource.RLIMIT_CPU: TEST_TIMEOUT_S,
        resource.RLIMIT_AS: TEST_MEMORY_BYTES,
        resource.RLIMIT_FSIZE: TEST_FILE_BYTES,
    }
    return [f"{limit}={value}" for limit, value in limits.items()]


def summary(tasks: Sequence[Task], answers: Sequence[Answer]) -> dict[str, object]:
    """pass@1 with its standard error, clustered by problem; and what the answers cost."""
    by_problem: dict[str, list[float]] = defaultdict(list)
    for task, answer in zip(tasks, answers, strict=True):
        by_problem[task.problem].append(float(answer.passed))
    rate = statistics.fmean(float(answer.passed) for answer in answers)
    residuals = [sum(passed - rate for passed in group) for group in by_problem.values()]
    error = math.sqrt(sum(residual**2 for residual in residuals)) / len(answers)
    return {
        "tasks_count": len(answers),
        "problems": len(by_problem),
        "pass_at_1_percent": round(100 * rate, 2),
        "standard_error_percent": round(100 * error, 2),
        "exact_match_percent": round(
            100
            * statistics.fmean(
                float(answer.text.strip() == task.middle.strip())
                for task, answer in zip(tasks, answers, strict=True)
            ),
            2,
        ),
        "empty": sum(not answer.text for answer in answers),
        "median_ms": statistics.median(answer.total_ms for answer in answers),
        "median_generated_tokens": statistics.median(answer.generated_tokens for answer in answers),
    }


def main() -> None:
    """Parse, complete, judge, record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suite", choices=SUITES)
    parser.add_argument("--limit", type=int, help="the first N tasks only")
    parser.add_argument("--one-per-problem", action="store_true", help="a seeded choice of 164")
    parser.add_argument("--raw", action="store_true", help="without post-processing")
    parser.add_argument("--answers", choices=("model", "reference", "empty"), default="model")
    parser.add_argument("--candidates", type=int, default=1, help="the best ranked is judged")
    parser.add_argument("--concurrency", type=int, default=4, help="documents at once")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--name", help="of the result's file")
    options = parser.parse_args()
    tasks = read_tasks(
        options.suite,
        one_per_problem=options.one_per_problem,
        limit=options.limit,
        seed=options.seed,
    )
    settings = merge(Settings(), {"deadline_ms": 0, **parse_assignments(options.set)}, COMMAND_LINE)
    began = time.perf_counter()
    if options.answers == "model":
        answers = asyncio.run(complete(tasks, settings, options))
    else:
        reference = options.answers == "reference"
        answers = [Answer(task.id, task.middle if reference else "") for task in tasks]
    completed_s = time.perf_counter() - began
    asyncio.run(judge(tasks, answers))
    result = {
        **summary(tasks, answers),
        "completing_s": round(completed_s, 1),
        "judging_s": round(time.perf_counter() - began - completed_s, 1),
        "raw": options.raw,
        "answers": options.answers,
        "candidates": options.candidates,
        "settings": asdict(settings),
        "tasks": [asdict(answer) for answer in answers],
    }
    raw = "-raw" if options.raw else ""
    kind = "" if options.answers == "model" else f"-{options.answers}"
    name = options.name or f"humaneval-infilling-{options.suite}{raw}{kind}"
    write_result(name, result, seed=options.seed)


if __name__ == "__main__":
    main()
