"""From a document and an offset to the context of a request."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from fimls.config import Settings
from fimls.context import Selection
from fimls.fim import PromptBuilder
from fimls.syntax import block_starts_here
from fimls.types import CompletionContext, Document, Mode, Snippet


class ContextSource(Protocol):
    """Where snippets of other files come from: :class:`fimls.context.WorkspaceContext`."""

    async def select(
        self,
        document: Document,
        offset: int,
        *,
        shown: tuple[int, int],
        budget_tokens: int,
        count_tokens: Callable[[str], int],
        timeout_ms: float,
    ) -> Selection:
        """The snippets for a prompt at ``offset`` whose window shows ``shown``: from where in the
        text before the cursor, to where in the text after it.
        """
        ...

    def known(self, names: Collection[str]) -> frozenset[str]:
        """Those of the names that occur in the workspace."""
        ...

    def exclusion(self, uri: str) -> str | None:
        """Why a document may not reach a prompt; None if it may."""
        ...


def context_at(
    document: Document,
    offset: int,
    settings: Settings,
    *,
    path: str = "",
    mode: Mode | None = None,
    snippets: Sequence[Snippet] = (),
) -> CompletionContext:
    """The context of a request: the text around the cursor, and how much to complete."""
    prefix, suffix = document.text[:offset], document.text[offset:]
    if mode is None and settings.multiline == "auto":
        several = block_starts_here(prefix, suffix, document.language_id)
        mode = Mode.MULTI if several else Mode.SINGLE
    elif mode is None:
        mode = Mode.MULTI if settings.multiline == "always" else Mode.SINGLE
    return CompletionContext(
        prefix=prefix,
        suffix=suffix,
        path=path,
        language_id=document.language_id,
        snippets=tuple(snippets),
        mode=mode,
    )


async def select_snippets(
    source: ContextSource,
    document: Document,
    offset: int,
    builder: PromptBuilder,
    *,
    timeout_ms: float,
) -> Selection:
    """Ask a context source for what fits the builder's budget."""
    budget, tokenizer = builder.budget, builder.tokenizer
    return await source.select(
        document,
        offset,
        shown=budget.reach(offset),
        budget_tokens=budget.snippet_tokens,
        count_tokens=lambda text: len(tokenizer.encode(text)),
        timeout_ms=timeout_ms,
    )
