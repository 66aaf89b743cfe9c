"""The values of retrieval: what it may look at, and what it finds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

REQUIRED = math.inf
"""The score of a part that its candidate can't do without."""

SCORE_MIN = 0.4
"""A candidate with a lower score is worth neither its tokens nor the risk that it misleads."""

CountTokens = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Query:
    """A file WITHOUT its middle: all of the current document that retrieval may look at."""

    folder: Path
    """The workspace folder."""
    path: str
    """The file's, relative to the folder, with forward slashes."""
    language_id: str
    prefix: str
    """The whole text before the cursor."""
    suffix: str
    """The whole text after the cursor."""
    shown: tuple[int, int]
    """The prompt's window, which no snippet has to repeat: ``prefix[shown[0]:]`` and
    ``suffix[:shown[1]]``."""

    @property
    def shown_text(self) -> str:
        """The code that the prompt shows anyway."""
        return self.prefix[self.shown[0] :] + self.suffix[: self.shown[1]]

    @property
    def shown_range(self) -> tuple[int, int]:
        """The offsets of :attr:`shown_text` in ``prefix + suffix``."""
        return self.shown[0], len(self.prefix) + self.shown[1]


@dataclass(frozen=True, slots=True)
class Region:
    """Lines of a file that were edited or opened recently."""

    path: str
    start_line: int
    """From 0."""
    end_line: int
    """Exclusive."""


@dataclass(frozen=True, slots=True)
class Session:
    """What only an editor can add to a query; in training it is empty."""

    recent: tuple[Region, ...] = ()
    """Edited and opened regions of other documents, the latest first."""
    changed: tuple[Region, ...] = ()
    """Uncommitted changes (git)."""


@dataclass(frozen=True, slots=True)
class Part:
    """One or a few whole lines of a candidate."""

    text: str
    score: float = REQUIRED
    """:data:`REQUIRED`, or how much the lines are worth on their own."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that could go into a prompt."""

    path: str
    start: int
    """Its offset in its file. Snippets keep the file's order."""
    score: float
    """How likely it is needed, 0 to 1."""
    parts: tuple[Part, ...]
    """Its lines in order; those that aren't required are chosen one by one."""
    name: str = ""
    """What it defines; "" for other lines."""
    is_window: bool = False
    """Whether it was found only because it resembles the code at the cursor."""
    source: str = ""
    """The name of the source that found it."""

    @property
    def required(self) -> str:
        """Its text without the parts that may be left out."""
        return "\n".join(part.text for part in self.parts if part.score == REQUIRED)
