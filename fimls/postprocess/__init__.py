"""From what a model wrote to what a person is shown: pure functions, each step with a name.

A step takes a :class:`Draft` and returns the text that it leaves, and whether that text's end is
right as it is. An empty text suppresses the completion; the step's name is then the reason.

``pipeline`` has the table of steps; ``blocks``, ``statement``, ``repeats`` and ``tidy`` have the
steps by family; ``seam`` says whether a completion fits the code below.
"""

from fimls.postprocess.draft import Draft
from fimls.postprocess.pipeline import STEPS, Processed, is_complete, process

__all__ = ["STEPS", "Draft", "Processed", "is_complete", "process"]
