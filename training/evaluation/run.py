"""One run: every item of a plan asked, scored beside it, and kept."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import signal
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from typing import Any

from fimls.types import EngineDeadError
from training.evaluation.answers import Answer, Asker
from training.evaluation.journal import Journal, Row
from training.evaluation.metrics import Score, score
from training.evaluation.plan import Plan
from training.evaluation.suites.base import Item
from training.types import EvaluationError

CONCURRENCY = 8
"""Items asked at once: the openvino engine decodes them together, which is what makes it fast."""
JOBS = 2
"""Processes that score."""

_UNSCORED_FOR_EACH_JOB = 8  # answers that wait for a worker before no more are asked for
_DEATHS_MAX = 2  # of the engine, at one item
_TIMES = ("ttft_ms", "total_ms", "scored_ms")

OnDone = Callable[[int], object]


@dataclass(slots=True)
class Elapsed:
    """What a run took, in seconds. Items of an earlier, interrupted run aren't in it.

    generating_s: until the last answer. rest_s: from there until the last score.
    scoring_s: of all workers together.
    """

    items: int = 0
    generating_s: float = 0.0
    rest_s: float = 0.0
    scoring_s: float = 0.0


async def run(
    plan: Plan,
    asker: Asker,
    journal: Journal,
    *,
    concurrency: int = CONCURRENCY,
    jobs: int = JOBS,
    on_done: OnDone = lambda _count: None,
) -> Elapsed:
    """Ask and score what the journal doesn't have yet.

    Raises:
        FimlsError: the engine failed, or the disk is full; what was done stays in the journal.
        EvaluationError: a scoring process died.
    """
    waiting = iter([item for item in plan.items if item.id not in journal.rows])
    asking = asyncio.Semaphore(concurrency)
    elapsed = Elapsed()
    began = time.perf_counter()
    on_done(len(journal.rows))

    async def work(pool: ProcessPoolExecutor) -> None:
        for item in waiting:
            async with asking:
                answer = await _answer(asker, item)
            elapsed.generating_s = time.perf_counter() - began
            found = await _scored(pool, item, answer)
            journal.append(make_row(item, answer, found))
            elapsed.items += 1
            elapsed.scoring_s += found.scored_ms / 1000
            on_done(len(journal.rows))

    with _pool(jobs) as pool:
        workers = concurrency + _UNSCORED_FOR_EACH_JOB * jobs
        await _together([work(pool) for _ in range(workers)])
    elapsed.rest_s = time.perf_counter() - began - elapsed.generating_s
    return elapsed


def make_row(item: Item, answer: Answer, found: Score) -> Row:
    """Return an item's row: plain JSON, with all that depends on the clock under ``times``."""
    values: dict[str, Any] = {**asdict(answer), **asdict(found)}
    return {
        "id": item.id,
        "cluster": item.cluster,
        "kind": item.kind,
        "language": item.language_id,
        "snippets": len(item.snippets),
        **{name: _plain(value) for name, value in values.items() if name not in _TIMES},
        # What runs beside a generation changes the last digits of its probabilities.
        "confidence": None if answer.confidence is None else round(answer.confidence, 2),
        "times": {
            name: None if values[name] is None else round(values[name], 1) for name in _TIMES
        },
    }


async def _answer(asker: Asker, item: Item) -> Answer:
    """Ask, and again where the engine died: it is started anew, and this took hours so far."""
    for _ in range(_DEATHS_MAX):
        with contextlib.suppress(EngineDeadError):
            return await asker.ask(item)
    return await asker.ask(item)


async def _scored(pool: ProcessPoolExecutor, item: Item, answer: Answer) -> Score:
    try:
        return await asyncio.get_running_loop().run_in_executor(pool, score, item, answer)
    except BrokenProcessPool as error:
        raise EvaluationError(
            f"the process that scored {item.id} ended", hint="was it out of memory? try --jobs 1"
        ) from error


async def _together(works: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Wait for all; at the first error, or when cancelled, end the others."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.contextmanager
def _pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    context = multiprocessing.get_context("spawn")  # this process has threads
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_leave_interrupts)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _leave_interrupts() -> None:
    """An interrupt is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
