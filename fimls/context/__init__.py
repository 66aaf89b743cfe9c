"""Code of other files for the prompt, and the files that must never get into it."""

from fimls.context.reasons import Exclusion
from fimls.context.selection import Considered, Selection, SelectionState
from fimls.context.sources import SOURCES
from fimls.context.workspace import WorkspaceContext

__all__ = ["SOURCES", "Considered", "Exclusion", "Selection", "SelectionState", "WorkspaceContext"]
