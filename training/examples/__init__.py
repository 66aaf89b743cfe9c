"""What a prompt would show beside a file: the snippets that serving would choose, for each span.

``files`` holds a repository's texts, ``index`` makes the database that lexical search needs, and
``context`` asks serving's own retrieval (:mod:`fimls.context`) with the middle taken out.
"""

from training.examples.context import ContextBuilder
from training.examples.files import RepositoryFiles
from training.examples.index import build_index

__all__ = ["ContextBuilder", "RepositoryFiles", "build_index"]
