"""``python -m tests.training.tuning.killed_run FOLDER [WHAT:N...]``: a run that dies repeatedly.

The run is that of ``tiny.job(FOLDER, output="parts")``. For each moment a fork of this process
takes it up and, at the N-th call of WHAT, kills itself with SIGKILL. Without moments it runs to its
end.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.training.tuning import tiny
from training.tuning import checkpoint, loop
from training.tuning.run import train

_PLACES: dict[str, tuple[Any, str]] = {
    "step": (loop.Trainer, "_step"),
    "backward": (loop.Trainer, "_backward"),
    "sync": (checkpoint, "_sync"),
}


def _dying(function: Callable[..., Any], left: int) -> Callable[..., Any]:
    def call(*arguments: Any, **options: Any) -> Any:
        nonlocal left
        left -= 1
        result = function(*arguments, **options)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return call


def _run_until(folder: Path, moment: str) -> None:
    """In a fork: torch is imported once, and has computed nothing when the process divides."""
    child = os.fork()
    if child == 0:
        place, _, count = moment.partition(":")
        owner, name = _PLACES[place]
        setattr(owner, name, _dying(getattr(owner, name), int(count)))
        train(tiny.job(folder, output="parts"))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
        sys.exit(f"the run wasn't killed at {moment}: {status}")


def main(folder: Path, moments: list[str]) -> None:
    """Train, from one moment to the next."""
    for moment in moments:
        _run_until(folder, moment)
    if not moments:
        train(tiny.job(folder, output="parts"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
