"""From what a model wrote to what a person is shown: pure functions, each step with a name.

A step takes the text so far and the context it was written for, and returns the text it leaves.
An empty text suppresses the completion, with the name of the step that emptied it as the reason.

``pipeline`` has the steps in order; ``blocks``, ``suffix``, ``statement``, ``repetition``,
``indentation``, ``ends`` and ``worth`` have them by family; ``seam`` says whether a completion fits
the code below; ``ranking`` orders several.
"""

from fimls.postprocess.draft import Draft
from fimls.postprocess.pipeline import (
    EMPTY,
    MISSING_CLOSERS,
    STEPS,
    Processed,
    is_complete,
    process,
)
from fimls.postprocess.ranking import confidence, rank
from fimls.postprocess.worth import MID_LINE, may_complete_here

__all__ = [
    "EMPTY",
    "MID_LINE",
    "MISSING_CLOSERS",
    "STEPS",
    "Draft",
    "Processed",
    "confidence",
    "is_complete",
    "may_complete_here",
    "process",
    "rank",
]
