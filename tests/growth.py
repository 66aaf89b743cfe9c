"""How work grows with its input: what of a function's speed is the same on every machine."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

TIMES = 8
"""How much larger the large input is."""

LINEAR = 3 * TIMES
"""Below this, work grows with the size of its input; quadratic work grows 64 times."""

CONSTANT = 3
"""Below this, work doesn't depend on the size of the input."""

_LEAST_S = 0.002  # shorter than this, noise counts
_ROUNDS = 7


def growth(work: Callable[[int], Callable[[], object]], size: int) -> float:
    """How many times more processor time a function takes for an input ``TIMES`` as large.

    work: makes the function for a size; making it doesn't count. Both sizes are run in turns, so
    that what else the machine does meets both, and of each the least counts: a busy machine only
    ever adds.
    """
    runs = work(size), work(TIMES * size)
    counts = [_repeats(run) for run in runs]
    least = [math.inf, math.inf]
    for _ in range(_ROUNDS):
        for at, (run, count) in enumerate(zip(runs, counts, strict=True)):
            least[at] = min(least[at], _seconds(run, count) / count)
    return least[1] / least[0]


def _repeats(run: Callable[[], object]) -> int:
    """How often to run something so that it takes long enough to be timed."""
    count = 1
    run()  # what only the first call has to do
    while _seconds(run, count) < _LEAST_S:
        count *= 2
    return count


def _seconds(run: Callable[[], object], count: int) -> float:
    began = time.thread_time()
    for _ in range(count):
        run()
    return time.thread_time() - began
