"""What else goes into the prompt: chunks of other files, and what must never go in."""

from fimls.context.reasons import Exclusion
from fimls.context.selection import Considered, Selection, SelectionState
from fimls.context.sources import SOURCES
from fimls.context.workspace import WorkspaceContext

__all__ = ["SOURCES", "Considered", "Exclusion", "Selection", "SelectionState", "WorkspaceContext"]
