"""The pipeline from a document and an offset to completions, as a typist needs it.

``request`` reads the cursor's surroundings, ``flight`` is one generation that several keystrokes
may share, ``flights`` finds the one that a keystroke can use, ``gate`` decides how much of a text
is likely enough to be shown, ``pace`` holds a request back while the engine can't keep up,
``explanation`` keeps what happened and why, and ``pipeline`` runs them in order.
"""

from fimls.completer.explanation import Explanation
from fimls.completer.pipeline import SUPERSEDED, Completer
from fimls.completer.request import ContextSource, context_at, select_snippets

__all__ = [
    "SUPERSEDED",
    "Completer",
    "ContextSource",
    "Explanation",
    "context_at",
    "select_snippets",
]
