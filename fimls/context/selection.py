"""From candidates to snippets, and when a document's snippets may change.

Retrieval hurts about as often as it helps (Repoformer, 2403.10059), so only candidates with a high
score are sent, and an empty selection is a good answer. Lines are chosen one by one, since few
members of a big class are worth their tokens.

Snippets come first in a prompt, so one changed byte makes the engine compute the whole prompt
again. A document therefore keeps its selection while somebody types in one place, and gets another
only when that costs little or promises much more.
"""

from __future__ import annotations

import enum
import functools
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from fimls.context.query import REQUIRED, SCORE_MIN, Candidate, CountTokens, Part, Query
from fimls.context.secrets import redacted
from fimls.context.surroundings import Surroundings
from fimls.syntax.words import identifiers
from fimls.types import Snippet

IDLE_S = 3.0
"""After a pause of this length the next request looks for better snippets."""

_MEMBER_SCORE_MIN = 0.4  # of a class that is chosen
_WINDOWS_MAX = 2
_JACCARD_MAX = 0.6
_SHOWN_LINES_MAX = 0.5
_SPACE = re.compile(r"\s+")
_REDACTED_MAX = 4096
_MOVED_LINES = 20
# A selection is clearly better by a quarter, and by more than the weakest snippet is worth.
_BETTER_RATIO, _BETTER_BY = 1.25, 0.35

Redact = Callable[[str, str], "str | None"]
"""(text, path) -> the text without secrets, or None where it must not be used at all."""
Piece = tuple[str, str]
"""Path and text of lines that are chosen together."""


@dataclass(frozen=True, slots=True)
class Considered:
    """What became of a candidate."""

    path: str
    source: str
    """The name of the source that found it."""
    score: float
    tokens: int
    """Its share of the budget; 0 if it was dropped."""
    reason: str
    """Why it was dropped; "" if it is in the prompt."""
    name: str = ""
    """What it defines; "" for other lines."""


class SelectionState(str, enum.Enum):
    """Where a selection comes from."""

    NEW = "new"
    FROZEN = "frozen"
    """The same as for the last request."""
    NONE = "none"

    __str__ = str.__str__


@dataclass(frozen=True, slots=True)
class Selection:
    """The snippets for a prompt."""

    snippets: tuple[Snippet, ...] = ()
    """In the prompt's order: the best comes last."""
    considered: tuple[Considered, ...] = ()
    """All candidates, the best first."""
    state: SelectionState = SelectionState.NEW
    elapsed_ms: float = 0.0
    note: str = ""
    """What the index or git can't tell, and why; "" if nothing is missing."""
    why_none: str = ""
    """Why there is no selection; "" if there is one."""

    @property
    def summary(self) -> str:
        """The state, and why there is no selection."""
        return f"{self.state}: {self.why_none}" if self.why_none else str(self.state)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the cursor is in its file. Typing changes only one of the two line counts."""

    before: int
    """Lines before the cursor."""
    after: int
    """Lines after the cursor."""
    definition: str = ""
    """The innermost definition around it; "" for none."""

    @classmethod
    def of(cls, around: Surroundings) -> Place:
        """The place of a query's cursor."""
        query, definition = around.query, around.function or around.owner
        name = f"{definition.container}.{definition.name}" if definition else ""
        return cls(query.prefix.count("\n"), query.suffix.count("\n"), name)

    def far_from(self, other: Place) -> bool:
        """Whether the cursor moved by more than the lines that were typed in between."""
        moved = min(abs(self.before - other.before), abs(self.after - other.after))
        return moved > _MOVED_LINES


@dataclass(frozen=True, slots=True)
class Choice:
    """A selection, and what it was chosen from."""

    selection: Selection
    place: Place
    used: frozenset[Piece]
    """The pieces of the selection."""
    worth: Mapping[Piece, float]
    """The score of every piece that could be used."""

    def value(self, pieces: frozenset[Piece]) -> float:
        """How much some pieces are worth at this choice's place and time."""
        return sum(self.worth.get(piece, 0.0) for piece in pieces)


class Frozen:
    """One document's selection, and whether it is time to look for another.

    touched: paths of other documents that were edited since the last search.
    """

    def __init__(self, choice: Choice, budget_tokens: int) -> None:
        self.choice = choice
        self.touched: set[str] = set()
        self._budget_tokens = budget_tokens
        self._idled = False
        self._active_at = time.monotonic()

    def active(self) -> None:
        """Note that somebody types in the document, or asks for a completion."""
        now = time.monotonic()
        self._idled = self._idled or now - self._active_at >= IDLE_S
        self._active_at = now

    def holds(self, place: Place, budget_tokens: int) -> bool:
        """Whether the selection can answer a request without a search."""
        return (
            budget_tokens == self._budget_tokens
            and not self._idled
            and not self.touched
            and not place.far_from(self.choice.place)
        )

    def offer(self, choice: Choice, budget_tokens: int) -> None:
        """Take a new choice where one is due; otherwise keep the selection, at the new place."""
        touched, self.touched, self._idled = self.touched, set(), False
        if budget_tokens != self._budget_tokens or self._is_due(choice, touched):
            self.choice, self._budget_tokens = choice, budget_tokens
        else:
            self.choice = replace(self.choice, place=choice.place)

    def _is_due(self, choice: Choice, touched: set[str]) -> bool:
        old = self.choice
        left = choice.place.definition != old.place.definition
        if (left or not choice.place.definition) and choice.place.far_from(old.place):
            return True
        if any(path in touched and (path, text) not in choice.worth for path, text in old.used):
            return True  # it shows code that no longer exists
        best, now = choice.value(choice.used), choice.value(old.used)
        return best > max(now * _BETTER_RATIO, now + _BETTER_BY)


@functools.lru_cache(maxsize=_REDACTED_MAX)
def _redacted(text: str, path: str) -> str | None:
    return redacted(text, path)


def select(
    candidates: Iterable[Candidate],
    around: Surroundings,
    *,
    budget_tokens: int,
    count_tokens: CountTokens,
    redact: Redact = _redacted,
) -> Choice:
    """Choose what goes into the prompt: one snippet for each file, the best one last.

    ``budget_tokens`` covers the text of each snippet and its path.
    """
    merged = _merged(candidates)
    reasons = {
        index: "below threshold"
        for index, candidate in enumerate(merged)
        if candidate.score < SCORE_MIN
    }
    selector = _Selector(around.query, budget_tokens, count_tokens, redact)
    worth: dict[Piece, float] = {}
    used: set[Piece] = set()
    for score, index, part in sorted(_units(merged, reasons), key=lambda one: (-one[0], *one[1:])):
        candidate = merged[index]
        if part < 0:
            reasons[index] = selector.add(index, candidate)
            taken, text = not reasons[index], candidate.required
        else:
            taken, text = selector.add_part(index, part), candidate.parts[part].text
        worth[candidate.path, text] = max(score, worth.get((candidate.path, text), 0.0))
        if taken:
            used.add((candidate.path, text))
    considered = tuple(
        Considered(
            candidate.path,
            candidate.source,
            round(candidate.score, 3),
            selector.chosen[index].tokens if index in selector.chosen else 0,
            reasons[index],
            candidate.name,
        )
        for index, candidate in enumerate(merged)
    )
    snippets = _snippets(list(selector.chosen.values()))
    return Choice(Selection(snippets, considered), Place.of(around), frozenset(used), worth)


def _units(
    candidates: Sequence[Candidate], dropped: Collection[int]
) -> Iterator[tuple[float, int, int]]:
    """Yield (score, candidate, part) of all that is worth its tokens; part -1: all required."""
    for index, candidate in enumerate(candidates):
        if index in dropped:
            continue
        optional = {
            number: min(part.score, candidate.score)
            for number, part in enumerate(candidate.parts)
            if part.score != REQUIRED
        }
        # A class is worth as much as its best member: the cursor's code has its name anyway.
        yield max(optional.values(), default=candidate.score), index, -1
        for number, score in optional.items():
            if score >= _MEMBER_SCORE_MIN:
                yield score, index, number


def _merged(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Join what several sources found: the best score of each, best first."""
    best: dict[tuple[str, int], Candidate] = {}
    for candidate in candidates:
        key = candidate.path, candidate.start
        other = best.setdefault(key, candidate)
        if other is candidate:
            continue
        winner = max(other, candidate, key=lambda one: one.score)
        if [part.text for part in other.parts] == [part.text for part in candidate.parts]:
            parts = tuple(
                Part(one.text, max(one.score, two.score))
                for one, two in zip(other.parts, candidate.parts, strict=True)
            )
        else:
            parts = max(other, candidate, key=lambda one: len(one.parts)).parts
        best[key] = replace(winner, parts=parts)
    return sorted(best.values(), key=lambda one: (-one.score, one.path, one.start))


class _Shown:
    """The code that the prompt's window shows."""

    def __init__(self, query: Query) -> None:
        text = query.shown_text
        self._lines = {line.strip() for line in text.split("\n")}
        self._squeezed = _SPACE.sub("", text)

    def has(self, text: str) -> bool:
        """Whether it contains a signature, up to the elided body."""
        head = _SPACE.sub("", text.partition("...")[0])
        return bool(head) and head in self._squeezed

    def most_of(self, text: str) -> bool:
        """Whether it contains more than half of a text's lines."""
        lines = [line.strip() for line in text.split("\n") if line.strip()]
        there = sum(line in self._lines for line in lines)
        return there > _SHOWN_LINES_MAX * len(lines)


@dataclass(slots=True)
class _Chosen:
    """A candidate that was chosen."""

    candidate: Candidate
    texts: dict[int, str] = field(default_factory=dict)
    """The chosen parts' texts, by their indices."""
    tokens: int = 0

    @property
    def text(self) -> str:
        return "\n".join(text for _, text in sorted(self.texts.items()) if text.strip())


class _Selector:
    """Takes candidates in the order they come, while there are tokens left."""

    def __init__(
        self, query: Query, budget_tokens: int, count_tokens: CountTokens, redact: Redact
    ) -> None:
        self.chosen: dict[int, _Chosen] = {}
        self._shown = _Shown(query)
        self._left = budget_tokens
        self._count = count_tokens
        self._redact = redact
        self._paths: set[str] = set()
        self._windows = 0

    def add(self, index: int, candidate: Candidate) -> str:
        """Take the required parts of a candidate; return why it was dropped, "" if it wasn't."""
        chosen = _Chosen(candidate)
        for number in _necessary(candidate):
            text = self._redact(candidate.parts[number].text, candidate.path)
            if text is None:
                return "secret"
            chosen.texts[number] = text
        text = chosen.text
        if not text:
            return "no member needed" if candidate.parts else "empty"
        if reason := self._repeats(text, is_window=candidate.is_window):
            return reason
        path = 0 if candidate.path in self._paths else self._count(f"# {candidate.path}\n")
        chosen.tokens = path + self._count(text + "\n")
        if chosen.tokens > self._left:
            return "budget"
        self._left -= chosen.tokens
        self._paths.add(candidate.path)
        self._windows += candidate.is_window
        self.chosen[index] = chosen
        return ""

    def add_part(self, index: int, number: int) -> bool:
        """Take one more part of a chosen candidate; return whether it is chosen now."""
        chosen = self.chosen.get(index)
        if chosen is None or number in chosen.texts:
            return chosen is not None
        part = chosen.candidate.parts[number]
        text = self._redact(part.text, chosen.candidate.path)
        if not text or self._shown.has(text):
            return False
        tokens = self._count(text + "\n")
        if tokens > self._left:
            return False
        self._left -= tokens
        chosen.tokens += tokens
        chosen.texts[number] = text
        return True

    def _repeats(self, text: str, *, is_window: bool) -> str:
        if self._shown.most_of(text) if is_window else self._shown.has(text):
            return "duplicate of shown code"
        if is_window and self._windows == _WINDOWS_MAX:
            return "enough windows"
        if is_window and any(_alike(text, other.text) for other in self.chosen.values()):
            return "duplicate of another snippet"
        return ""


def _necessary(candidate: Candidate) -> list[int]:
    """The parts that a candidate needs at least: the head of a class needs one member."""
    parts = list(enumerate(candidate.parts))
    required = [number for number, part in parts if part.score == REQUIRED]
    optional = [(part.score, -number) for number, part in parts if part.score != REQUIRED]
    if not optional:
        return required
    score, number = max(optional)
    return [*required, -number] if score >= _MEMBER_SCORE_MIN else []


def _alike(one: str, other: str) -> bool:
    words, others = set(identifiers(one)), set(identifiers(other))
    return len(words & others) > _JACCARD_MAX * len(words | others)


def _snippets(chosen: list[_Chosen]) -> tuple[Snippet, ...]:
    """Make one snippet for each file; its lines are in the file's order."""
    by_path: dict[str, list[_Chosen]] = {}
    for one in chosen:
        by_path.setdefault(one.candidate.path, []).append(one)
    snippets = []
    for path, group in by_path.items():
        best = max(group, key=lambda one: one.candidate.score).candidate
        group.sort(key=lambda one: one.candidate.start)
        text = "\n".join(one.text for one in group) + "\n"
        snippets.append(Snippet(path, text, round(best.score, 3), best.source))
    return tuple(sorted(snippets, key=lambda one: (one.score, one.path)))
