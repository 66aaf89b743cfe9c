"""The processes that share the work, or none: with one job everything runs in this process."""

from __future__ import annotations

import itertools
import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Generic, TypeVar

from training.types import DatasetError

_AHEAD = 4  # items for each process that are handed out before their turn

Item = TypeVar("Item")
Result = TypeVar("Result")
State = TypeVar("State")

_state: object = None  # of a worker process; set once, when it starts


class Workers(Generic[State]):
    """Calls a function for many items, in processes that each make a state of their own.

    make: makes the state; picklable, like the items, the results and the functions.
    Not forked: the downloads' threads could hold a lock at that moment.
    """

    def __init__(self, jobs: int, make: Callable[[], State]) -> None:
        self._jobs = jobs
        self._make = make
        self._own: State | None = None
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Workers[State]:
        """Start the processes."""
        if self._jobs > 1:
            self._pool = ProcessPoolExecutor(
                self._jobs,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_start,
                initargs=(self._make,),
            )
        return self

    def __exit__(self, *exception: object) -> None:
        """Let them finish what they are at, and nothing else."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def map(
        self, function: Callable[[State, Item], Result], items: Iterable[Item]
    ) -> Iterator[Result]:
        """Yield ``function(state, item)`` for each item, in their order.

        Raises:
            DatasetError: a process died. Whatever the function raises.
        """
        if self._pool is None:
            if self._own is None:
                self._own = self._make()
            for item in items:
                yield function(self._own, item)
            return
        remaining = iter(items)
        under_way: deque[Future[Result]] = deque()
        try:
            while True:
                room = self._jobs * _AHEAD - len(under_way)
                for item in itertools.islice(remaining, room):
                    under_way.append(self._pool.submit(_call, function, item))
                if not under_way:
                    return
                yield under_way.popleft().result()
        except BrokenProcessPool as error:
            raise DatasetError(
                "a worker process was killed, perhaps for lack of memory",
                hint="go on with --resume, and fewer --jobs",
            ) from error


def _start(make: Callable[[], object]) -> None:
    global _state  # noqa: PLW0603  a process has one
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is meant for the parent, who ends us
    _state = make()


def _call(function: Callable[[State, Item], Result], item: Item) -> Result:
    return function(_state, item)  # type: ignore[arg-type]  # what `make` made, by `Workers`
