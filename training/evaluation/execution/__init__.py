"""Judging code by running it, without trusting it.

Limits, Outcome     what a run may use, and what became of it
protection()        which walls this machine has
Sandbox, run        a command in a fresh copy of a folder
run_program         a small Python program that judges itself, quickly
runners             a repository's own tests: which there are, what they cover, whether they pass
"""

from training.evaluation.execution.outcome import Limits, Outcome
from training.evaluation.execution.program import PROGRAM_LIMITS, run_program
from training.evaluation.execution.protection import Protection, protection
from training.evaluation.execution.sandbox import Sandbox, run, shared

__all__ = [
    "PROGRAM_LIMITS",
    "Limits",
    "Outcome",
    "Protection",
    "Sandbox",
    "protection",
    "run",
    "run_program",
    "shared",
]
