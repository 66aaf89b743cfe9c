"""From an editor's events to the stored statistics. Nothing here is sent anywhere."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fimls.config import Settings
from fimls.feedback import CHECKS_S, FeedbackStore, Suggestion, Taken, kept_share
from fimls.server.documents import Documents
from fimls.types import Completion, Document

_KNOWN_MAX = 512
_FLUSH_S = 5.0


class Feedback:
    """Follows suggestions from the answer to ten minutes after they were accepted.

    Must live in an event loop.
    """

    def __init__(self, documents: Documents, store: FeedbackStore | None = None) -> None:
        self._enabled = True
        self._keep_code = False
        self._documents = documents
        self._store = store or FeedbackStore()
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._last: _Known | None = None
        self._unwritten: dict[str, Suggestion] = {}
        self._timers: set[asyncio.TimerHandle] = set()
        self._writing: asyncio.Task[None] | None = None
        self._flushing: asyncio.TimerHandle | None = None
        self._counts = {"shown": 0, "accepted": 0, "partiallyAccepted": 0}
        # A server's completion ids count from 1 again after a restart.
        self._session = f"{time.time():.3f}"

    def configure(self, settings: Settings) -> None:
        """Follow the settings ``feedback`` and ``feedback_code``; what was kept stays."""
        self._enabled = settings.feedback
        self._keep_code = settings.feedback_code

    def answered(
        self,
        document: Document,
        completions: Sequence[Completion],
        *,
        latency_ms: float,
        model: str,
        adapter: str,
    ) -> None:
        """Note an answer.

        What is left of the last suggestion after some of it was typed is the same suggestion.
        """
        if not completions:
            return
        first = completions[0]
        known = self._last
        if known is None or not known.goes_on_as(document, first):
            known = _Known(
                Suggestion(
                    id=f"{self._session}-{first.id}",
                    at=time.time(),
                    language=document.language_id,
                    model=model,
                    adapter=adapter,
                    multi="\n" in first.text.strip("\r\n"),
                    characters=len(first.text),
                    latency_ms=latency_ms,
                    text=first.text if self._keep_code else "",
                ),
                document.uri,
            )
        known.text, known.start = first.text, first.start
        self._last = known
        for one in completions:
            self._known[one.id] = known
            known.texts[one.id] = one.text
        while len(self._known) > _KNOWN_MAX:
            self._known.popitem(last=False)

    def shown(self, params: object) -> None:
        """``didShowCompletion {item}``: it is on the screen."""
        known = self._of(_item_id(params))
        if known is not None and not known.suggestion.shown:
            known.suggestion.shown = True
            self._counts["shown"] += 1
            self._note(known)

    def accepted(self, completion_id: object) -> None:
        """Note that a completion was taken whole."""
        known = self._of(completion_id)
        if known is None or known.suggestion.how is Taken.WHOLE:
            return
        text = known.texts.get(str(completion_id), known.text)
        known.suggestion.how = Taken.WHOLE
        known.suggestion.accepted += len(text)
        known.taken += text
        self._counts["accepted"] += 1
        self._note(known)
        self._watch(known)

    def partially_accepted(self, params: object) -> None:
        """``didPartiallyAcceptCompletion {item, acceptedLength}``: a word or a line was taken.

        acceptedLength is in UTF-16 units.
        """
        known = self._of(_item_id(params))
        length = _member(params, "acceptedLength")
        if known is None or type(length) is not int or length <= 0:
            return
        units = known.text.encode("utf-16-le")[: 2 * length]
        taken = units.decode("utf-16-le", errors="ignore")
        first = known.suggestion.how is Taken.NOT
        if first:
            known.suggestion.how = Taken.PART
        known.suggestion.accepted += len(taken)
        known.taken += taken
        self._counts["partiallyAccepted"] += first
        self._note(known)
        if first:
            self._watch(known)

    def counts(self) -> dict[str, int]:
        """How many suggestions of this session were shown, taken whole, taken in part."""
        return dict(self._counts)

    async def aclose(self) -> None:
        """Write what is not written yet."""
        for timer in self._timers:
            timer.cancel()
        if self._flushing is not None:
            self._flushing.cancel()
        await self._write()

    # ------------------------------------------------------------------------------------- inside

    def _of(self, completion_id: object) -> _Known | None:
        return self._known.get(completion_id) if isinstance(completion_id, str) else None

    def _note(self, known: _Known) -> None:
        if not self._enabled:
            return
        self._unwritten[known.suggestion.id] = known.suggestion
        if self._flushing is None:
            loop = asyncio.get_running_loop()
            self._flushing = loop.call_later(_FLUSH_S, self._flush)

    def _flush(self) -> None:
        self._flushing = None
        self._writing = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        # Copies: the thread must not see them change.
        rows = [replace(one) for one in self._unwritten.values()]
        self._unwritten.clear()
        if rows:
            await asyncio.to_thread(self._store.write, rows)

    def _watch(self, known: _Known) -> None:
        if not self._enabled:
            return
        loop = asyncio.get_running_loop()
        for check, seconds in enumerate(CHECKS_S):
            self._timers.add(loop.call_later(seconds, self._check, known, check))
        now = loop.time()
        self._timers = {timer for timer in self._timers if timer.when() > now}

    def _check(self, known: _Known, check: int) -> None:
        document = self._documents.get(known.uri)
        if document is None:
            return  # closed: nobody can tell
        share = kept_share(known.taken, document.text, known.start)
        kept = list(known.suggestion.kept)
        kept[check] = share
        known.suggestion.kept = (kept[0], kept[1], kept[2])
        self._note(known)


class _Known:
    """A suggestion that is followed, by the text and the offset of its last answer.

    taken: what was accepted of it. texts: of all its completions, by id.
    """

    __slots__ = ("start", "suggestion", "taken", "text", "texts", "uri")

    def __init__(self, suggestion: Suggestion, uri: str) -> None:
        self.suggestion = suggestion
        self.uri = uri
        self.text = ""
        self.start = 0
        self.taken = ""
        self.texts: dict[str, str] = {}

    def goes_on_as(self, document: Document, completion: Completion) -> bool:
        """Whether a completion is what is left of this one, after some of it was typed."""
        typed = completion.start - self.start
        return (
            document.uri == self.uri
            and 0 <= typed < len(self.text)
            and self.suggestion.how is not Taken.WHOLE
            and document.text[self.start : completion.start] == self.text[:typed]
            and completion.text.startswith(self.text[typed:].rstrip())
        )


def _item_id(params: object) -> str | None:
    """The id that an item carries in its command; None for somebody else's item."""
    item = _member(params, "item")
    arguments = _member(_member(item, "command"), "arguments")
    first = arguments[0] if isinstance(arguments, list) and arguments else None
    return first if isinstance(first, str) else None


def _member(value: object, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None
