"""How work grows with its input: what of a function's speed is the same on every machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

TIMES = 8
"""How much larger the large input is."""

LINEAR = 3 * TIMES
"""Below this, work grows with the size of its input; quadratic work grows 64 times."""

CONSTANT = 3
"""Below this, work doesn't depend on the size of the input."""

_LEAST_S = 0.002  # shorter than this, noise counts
_ROUNDS = 5


def growth(work: Callable[[int], Callable[[], object]], size: int) -> float:
    """How many times more processor time a function takes for an input ``TIMES`` as large.

    work: makes the function for a size; making it doesn't count. Both sizes are run in turns, so
    that what else the machine does meets both, and the median of their ratios is returned.
    """
    small, large = work(size), work(TIMES * size)
    large()  # what only the first call has to do
    repeat = 1
    while _seconds(small, repeat) < _LEAST_S:
        repeat *= 2
    return statistics.median(
        _seconds(large, 1) / (_seconds(small, repeat) / repeat) for _ in range(_ROUNDS)
    )


def _seconds(function: Callable[[], object], repeat: int) -> float:
    began = time.thread_time()
    for _ in range(repeat):
        function()
    return time.thread_time() - began
