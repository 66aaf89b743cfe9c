"""Judging code by running it, without trusting it.

Limits, Outcome     what a run may use, and what became of it
protection          which walls this machine can put around it
Verdict             whether an answer does what it must
Sandbox, shared     commands in fresh copies of a folder
run_program         a small Python program that judges itself, quickly
runners             a repository's own tests: which there are, what they cover, whether they pass
"""

from training.evaluation.execution.sandbox import (
    Limits,
    Outcome,
    Sandbox,
    Verdict,
    run_program,
    shared,
)

__all__ = ["Limits", "Outcome", "Sandbox", "Verdict", "run_program", "shared"]
