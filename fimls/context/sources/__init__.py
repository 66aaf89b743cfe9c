"""Retrieval: from a query to candidates. No state, so that training calls the very same code."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from fimls.context.query import Candidate, Query, Session
from fimls.context.sources.base import Lookup, Reader
from fimls.context.sources.imports import imported
from fimls.context.sources.lexical import lexical
from fimls.context.sources.names import named
from fimls.context.sources.regions import changed, recent
from fimls.context.sources.same_file import outside_window
from fimls.context.sources.siblings import siblings
from fimls.context.surroundings import Surroundings, surroundings

_Source = Callable[[Surroundings, Reader, Lookup, Session], Iterable[Candidate]]

_TABLE: dict[str, _Source] = {
    "imports": lambda around, files, _index, _session: imported(around, files),
    "names": lambda around, files, index, _session: named(around, files, index),
    "same-file": lambda around, _files, _index, _session: outside_window(around),
    "siblings": lambda around, files, _index, _session: siblings(around, files),
    "lexical": lambda around, files, index, _session: lexical(around, files, index),
    "recent": lambda around, files, _index, session: recent(around, files, session),
    "git": lambda around, files, _index, session: changed(around, files, session),
}

SOURCES: tuple[str, ...] = tuple(_TABLE)
"""The names of all sources, the most exact first."""

_NO_SESSION = Session()


def retrieve(
    query: Query,
    files: Reader,
    index: Lookup,
    session: Session = _NO_SESSION,
    sources: Collection[str] = SOURCES,
) -> tuple[Surroundings, list[Candidate]]:
    """Return the cursor's surroundings and what the sources find for them."""
    around = surroundings(query)
    found = [
        replace(candidate, source=name)
        for name, source in _TABLE.items()
        if name in sources
        for candidate in source(around, files, index, session)
    ]
    return around, found
