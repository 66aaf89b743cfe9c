"""One run: which items are asked, decided by a seed beforehand; each asked, scored and kept."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import multiprocessing
import random
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Coroutine, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from typing import Any

from fimls.types import EngineDeadError
from training.evaluation.answers import Answer, Asker
from training.evaluation.journal import Journal, Row
from training.evaluation.metrics import Score, score
from training.evaluation.suites.base import Choice, Item, Skipped, Suite
from training.types import EvaluationError

CONCURRENCY = 8
"""Items asked at once: the openvino engine decodes them together, which is what makes it fast."""
JOBS = 2
"""Processes that score."""
_UNSCORED_FOR_EACH_JOB = 8  # answers that wait for a worker before no more are asked for
_DEATHS_MAX = 2  # of the engine, at one item
_TIMES = ("ttft_ms", "total_ms", "scored_ms")
OnDone = Callable[[int], object]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked for, in the suite's order, and which records can't be."""

    suite: Suite
    items: tuple[Item, ...]
    skipped: tuple[Skipped, ...]

    @property
    def fingerprint(self) -> str:
        """A hash of the chosen items' ids: runs with the same one have the same items."""
        ids = "\n".join(item.id for item in self.items)
        return hashlib.sha256(f"{self.suite.version}\n{ids}".encode()).hexdigest()[:16]

    @property
    def reasons(self) -> dict[str, int]:
        """How many records were skipped, by reason."""
        return dict(Counter(one.reason for one in self.skipped).most_common())


def make_plan(suite: Suite, choice: Choice, *, leak: Callable[[Item], str] | None = None) -> Plan:
    """Choose. leak: why an item may not be used, "" if it may; applied before the choice.

    Raises:
        EvaluationError: no item is left, or a kind is unknown.
    """
    items: list[Item] = []
    skipped: list[Skipped] = []
    seen: set[str] = set()
    for record in suite.items():
        if isinstance(record, Skipped):
            skipped.append(record)
        elif record.id in seen:
            skipped.append(Skipped(record.id, "duplicate id"))
        elif leak is not None and (found := leak(record)):
            skipped.append(Skipped(record.id, "leaked", found))
        else:
            items.append(record)
        if isinstance(record, Item):
            seen.add(record.id)
    _require_kinds({item.kind for item in items}, choice.kinds, suite)
    chosen = [item for item in items if not choice.kinds or item.kind in choice.kinds]
    chance = random.Random(f"{choice.seed}:{suite.name}")  # noqa: S311 - a repeatable choice
    if choice.one_per_cluster:
        clusters: dict[str, list[Item]] = defaultdict(list)
        for item in chosen:
            clusters[item.cluster].append(item)
        chosen = [chance.choice(group) for group in clusters.values()]
    if choice.limit is not None and len(chosen) > choice.limit:
        places = sorted(chance.sample(range(len(chosen)), choice.limit))
        chosen = [chosen[place] for place in places]
    if not chosen:
        counts = ", ".join(
            f"{count} {why}" for why, count in Counter(one.reason for one in skipped).most_common()
        )
        raise EvaluationError(
            f"{suite.name} has no item to evaluate{f' ({counts})' if counts else ''}",
            hint="give another suite, or a folder with code that parses",
        )
    return Plan(suite, tuple(chosen), tuple(skipped))


def _require_kinds(known: Collection[str], wanted: Collection[str], suite: Suite) -> None:
    if unknown := sorted(set(wanted) - set(known)):
        raise EvaluationError(
            f"{suite.name} has no items of kind {', '.join(unknown)}",
            hint=f"it has {', '.join(sorted(known))}",
        )


@dataclass(slots=True)
class Elapsed:
    """What a run took. Items of an earlier, interrupted run aren't counted."""

    items: int = 0
    generating_s: float = 0.0
    """Until the last answer."""
    rest_s: float = 0.0
    """From there until the last score."""
    scoring_s: float = 0.0
    """Of all workers together."""


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
        # Generations at the same time change the last digits of each other's probabilities.
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
