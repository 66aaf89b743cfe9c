"""Snippets of other files for a folder's holes: serving's own retrieval, without the holes."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path

from fimls.context.index import Index
from fimls.fim import PromptBuilder
from fimls.types import Snippet
from training.evaluation.repository import Repository
from training.examples import ContextBuilder, RepositoryFiles, build_index
from training.types import CorpusFile, Span


class ServedSnippets:
    """Finds snippets that fit a prompt builder's budget. Its index is a temporary folder.

    Raises:
        DatasetError: the index can't be written.
    """

    def __init__(self, repository: Repository, builder: PromptBuilder) -> None:
        folder = Path(tempfile.mkdtemp(prefix="fimls-eval-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        build_index(folder / "index.db", repository.sources)
        index = Index(folder / "index.db")
        weakref.finalize(self, index.close)  # finalizers run last in, first out
        self._contexts = ContextBuilder(
            repository.folder,
            RepositoryFiles(repository.sources, repository.files),
            index,
            budget=builder.budget,
            count_tokens=lambda text: len(builder.tokenizer.encode(text)),
        )

    def __call__(self, file: CorpusFile, spans: Sequence[Span]) -> list[tuple[Snippet, ...]]:
        """See :data:`training.evaluation.suites.spans.Contexts`."""
        return [self._contexts.snippets(file, span) for span in spans]
