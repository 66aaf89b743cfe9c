"""What else goes into the prompt: chunks of other files, and what must never go in."""

from fimls.context.query import Considered, Selection
from fimls.context.retrieve import SOURCES
from fimls.context.workspace import WorkspaceContext

__all__ = ["SOURCES", "Considered", "Selection", "WorkspaceContext"]
