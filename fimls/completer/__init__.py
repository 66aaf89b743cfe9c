"""The pipeline from a document and an offset to completions, at the speed of typing.

``pipeline`` is the order of things. ``asking`` has what a request asks of an engine, and when to
hold it back; ``flight`` is one generation that several keystrokes may share, and ``flights`` finds
the one that a keystroke can use; ``presenting`` makes completions of it, and ``gate`` decides how
much of a text is likely enough to be shown; ``explanation`` keeps what happened and why.
"""

from fimls.completer.asking import ContextSource, context_at, select_snippets
from fimls.completer.explanation import Explanation
from fimls.completer.pipeline import Completer
from fimls.completer.presenting import confidence

__all__ = [
    "Completer",
    "ContextSource",
    "Explanation",
    "confidence",
    "context_at",
    "select_snippets",
]
