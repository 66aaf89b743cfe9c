"""What can be evaluated, by name or by path.

``base`` says what a suite is; ``humaneval``, ``spans`` and ``functions`` are suites; ``registry``
finds one by what a person writes.
"""

from training.evaluation.suites.base import Item, Judge, Skipped, Suite, Verdict
from training.evaluation.suites.registry import NAMED, OF_PATHS, SuiteOptions, open_suite

__all__ = [
    "NAMED",
    "OF_PATHS",
    "Item",
    "Judge",
    "Skipped",
    "Suite",
    "SuiteOptions",
    "Verdict",
    "open_suite",
]
