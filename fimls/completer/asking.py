"""What to ask an engine, and when: requests, their context, the suffix of a prompt, the pace."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from fimls.completer.explanation import Explanation
from fimls.config import Settings
from fimls.context import Selection
from fimls.fim import PromptBuilder
from fimls.postprocess.draft import rest_of_line
from fimls.syntax import block_starts_here
from fimls.types import CompletionContext, Document, Mode, Snippet

_WEIGHT = 0.3  # of the latest value in a running mean
_PAUSE_MS = 1000.0  # a longer interval is a pause, not a rhythm
_HOLD_MS_MAX = 150.0

# What closes or separates: editors insert it by themselves.
_START = re.compile(r"[\s)\]}>\"'`,;]*")
_START_CHARS_MAX = 200
_COMPARED_CHARS = 600
_DOCUMENTS_MAX = 64

# As Copilot's: brackets and quotes that an editor inserted, and what ends a statement or a header.
_MAY_FOLLOW = re.compile(r"\s*[)>}\]\"'`]*\s*[:{;,]?\s*")


@dataclass(slots=True)
class Request:
    """One call of :meth:`Completer.complete`, while it is served."""

    document: Document
    offset: int
    path: str
    """Relative to the workspace."""

    invoked: bool
    """Whether somebody asked for a completion, rather than typed."""

    candidates: int
    mode: Mode | None
    """None where the syntax and the settings decide."""

    snippets: Sequence[Snippet] | None
    """None where the context source is asked for them."""

    why: Explanation
    """What is kept of the request."""

    @property
    def prefix(self) -> str:
        """The text before the cursor."""
        return self.document.text[: self.offset]

    @property
    def suffix(self) -> str:
        """The text after the cursor."""
        return self.document.text[self.offset :]


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
        """The snippets for a prompt at ``offset``.

        shown: where the prompt's window starts in the text before the cursor, and where it ends in
        the text after it.
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


def may_complete_here(context: CompletionContext) -> bool:
    """Whether to complete unasked.

    Not inside a line, before more than closers: there people mostly edit what is there.
    """
    return _MAY_FOLLOW.fullmatch(rest_of_line(context)) is not None


class Pace:
    """One document's typing rhythm against the engine's speed.

    A generation that is given up before it was of use is wasted, and the next one waits for its
    last step. So after that, the next request waits for another key, about as long as between two
    keys. With an engine that answers between two keys, nothing ever waits.
    """

    def __init__(self) -> None:
        self._interval_ms = 0.0
        self._answer_ms = 0.0
        self._last_key: float | None = None
        self._wasted = False

    def key(self) -> None:
        """Note a keystroke."""
        now = time.monotonic()
        if self._last_key is not None:
            interval_ms = (now - self._last_key) * 1000
            if interval_ms < _PAUSE_MS:
                self._interval_ms = _mean(self._interval_ms, interval_ms)
        self._last_key = now

    def answered(self, elapsed_ms: float) -> None:
        """Note how long the engine took until there was something to show."""
        self._answer_ms = _mean(self._answer_ms, elapsed_ms)
        self._wasted = False

    def wasted(self, elapsed_ms: float) -> None:
        """Note that a generation was given up after ``elapsed_ms`` before it was of use."""
        self._answer_ms = max(self._answer_ms, elapsed_ms)
        self._wasted = True

    def hold_ms(self) -> float:
        """How long the next request should wait."""
        if not self._wasted or self._answer_ms <= self._interval_ms:
            return 0.0
        return min(self._interval_ms, _HOLD_MS_MAX)


def _mean(old: float, new: float) -> float:
    return new if old == 0 else (1 - _WEIGHT) * old + _WEIGHT * new


class SteadySuffixes:
    """The suffix that each document's last prompt showed, and that the next one may keep.

    With the suffix first, a bracket that an editor inserts after the cursor changes the prompt from
    its beginning, and inside a call that spans lines it stays for many keystrokes. So a document's
    prompts show the same suffix as long as the new one differs only by closers and blank space at
    its start (as Copilot keeps a suffix that has hardly changed).
    """

    def __init__(self) -> None:
        self._shown: dict[str, str] = {}

    def steady(self, uri: str, suffix: str) -> str:
        """The suffix to show: the last one where that says the same."""
        shown = self._shown.pop(uri, None)
        if shown is None or essence(shown) != essence(suffix):
            shown = suffix
        self._shown[uri] = shown  # at the end: used last
        while len(self._shown) > _DOCUMENTS_MAX:
            del self._shown[next(iter(self._shown))]
        return shown

    def forget(self, uri: str) -> None:
        """A document was closed."""
        self._shown.pop(uri, None)


def essence(suffix: str) -> str:
    """What a suffix begins with after closers and blank space, if these are short."""
    start = _START.match(suffix)
    length = start.end() if start else 0
    length = length if length <= _START_CHARS_MAX else 0
    return suffix[length : length + _COMPARED_CHARS]
