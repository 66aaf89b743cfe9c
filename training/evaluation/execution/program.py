"""Programs that judge themselves: a problem's code with its tests, one exit code for "passed"."""

from __future__ import annotations

from training.evaluation.execution.outcome import Limits, Outcome
from training.evaluation.execution.sandbox import shared

PROGRAM_LIMITS = Limits(
    cpu_s=10,
    wall_s=10.0,
    memory_bytes=2 << 30,
    processes=16,
    file_bytes=1 << 20,
    output_bytes=16 << 20,
)
"""For a benchmark's program: it prints little and writes next to nothing."""


def run_program(source: str, *, limits: Limits = PROGRAM_LIMITS) -> Outcome:
    """Run a Python program; it sees the standard library, no arguments and no input.

    It runs in a fork of an interpreter that each calling thread keeps, sandboxed: the first call
    starts it, the next ones take milliseconds.

    Raises:
        EvaluationError: the sandbox doesn't start.
    """
    return shared().run_program(source, limits=limits)
