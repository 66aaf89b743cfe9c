"""What became of suggestions: kept on this machine, in one SQLite file, without code.

``store`` reads and writes, ``kept`` looks for accepted text later, ``summary`` adds up. Nothing of
it is ever sent anywhere.
"""

from fimls.feedback.kept import CHECKS_S, kept_share
from fimls.feedback.store import FeedbackStore, feedback_path
from fimls.feedback.suggestion import Suggestion
from fimls.feedback.summary import Line, summarize

__all__ = [
    "CHECKS_S",
    "FeedbackStore",
    "Line",
    "Suggestion",
    "feedback_path",
    "kept_share",
    "summarize",
]
