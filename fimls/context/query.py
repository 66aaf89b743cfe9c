"""The values of retrieval: what it may look at, what it finds, what is chosen."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fimls.types import Snippet

REQUIRED = math.inf
"""The score of a part that its candidate can't do without."""

SCORE_MIN = 0.4
"""What scores less is not worth its tokens, nor the risk that it misleads."""


@dataclass(frozen=True, slots=True)
class Query:
    """All that retrieval may look at: a file WITHOUT its middle, and where it lies.

    folder: the workspace's. path: relative to it, forward slashes. prefix, suffix: the whole text
    before and after the cursor. shown: the prompt's window, ``prefix[shown[0]:]`` and
    ``suffix[:shown[1]]``, which no snippet has to repeat.
    """

    folder: Path
    path: str
    language_id: str
    prefix: str
    suffix: str
    shown: tuple[int, int]

    @property
    def shown_text(self) -> str:
        """The code that the prompt shows anyway."""
        return self.prefix[self.shown[0] :] + self.suffix[: self.shown[1]]

    @property
    def shown_range(self) -> tuple[int, int]:
        """Where :attr:`shown_text` lies in ``prefix + suffix``."""
        return self.shown[0], len(self.prefix) + self.shown[1]


@dataclass(frozen=True, slots=True)
class Region:
    """Lines of a file that were touched lately. start_line: from 0; end_line: exclusive."""

    path: str
    start_line: int
    end_line: int


@dataclass(frozen=True, slots=True)
class Session:
    """What an editor adds to a query; training has none of it.

    recent: edited and opened regions of other documents, the latest first.
    changed: uncommitted changes (git).
    """

    recent: tuple[Region, ...] = ()
    changed: tuple[Region, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """One or a few whole lines. score: :data:`REQUIRED`, or how much they are worth alone."""

    text: str
    score: float = REQUIRED


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that could go into a prompt.

    start: its offset in its file: what stands together there stands together in the snippet.
    score: how likely it is needed, 0 to 1. parts: its lines in order; those that aren't required
    are chosen one by one. name: what it defines, "" for a window.
    """

    path: str
    start: int
    source: str
    score: float
    parts: tuple[Part, ...]
    name: str = ""

    @property
    def required(self) -> str:
        """Its text without the parts that may be left out."""
        return "\n".join(part.text for part in self.parts if part.score == REQUIRED)


@dataclass(frozen=True, slots=True)
class Considered:
    """What became of a candidate. reason: why it was dropped, "" if it is in the prompt."""

    path: str
    source: str
    score: float
    tokens: int
    reason: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    """The snippets for a prompt, in its order: the best comes last.

    state: "new", "frozen" (the same as for the last request), or "none: " and why. note: what the
    index can't tell, and why; "" if nothing.
    """

    snippets: tuple[Snippet, ...] = ()
    considered: tuple[Considered, ...] = ()
    state: str = "new"
    elapsed_ms: float = 0.0
    note: str = ""


CountTokens = Callable[[str], int]
