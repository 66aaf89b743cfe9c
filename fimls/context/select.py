"""From candidates to snippets: what scores, without repetition, within the budget, in order.

Retrieval hurts about as often as it helps (Repoformer, 2403.10059), so a candidate has to score to
be sent: an empty selection is a good answer. Lines are chosen one by one, since the worth of a big
class lies in few of its members.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from fimls.context.query import (
    REQUIRED,
    SCORE_MIN,
    Candidate,
    Considered,
    CountTokens,
    Part,
    Query,
    Selection,
)
from fimls.syntax.words import identifiers
from fimls.types import Snippet

_MEMBER_SCORE_MIN = 0.4  # once its class is in
_WINDOW_SOURCES = frozenset({"lexical", "recent", "git"})
_WINDOWS_MAX = 2
_JACCARD_MAX = 0.6
_SHOWN_LINES_MAX = 0.5
_SPACE = re.compile(r"\s+")

Redact = Callable[[str, str], "str | None"]
"""(text, path) -> the text without secrets, or None where it must not be used at all."""
Piece = tuple[str, str]
"""Path and text of lines that are chosen together."""


@dataclass(frozen=True, slots=True)
class Picked:
    """A selection; ``used`` are its pieces, ``worth`` the score of every piece that may be used."""

    selection: Selection
    used: frozenset[Piece]
    worth: dict[Piece, float]


@dataclass(slots=True)
class _Chosen:
    """A candidate that is in: the texts of the parts that are, by the parts' indices."""

    candidate: Candidate
    texts: dict[int, str] = field(default_factory=dict)
    tokens: int = 0

    @property
    def text(self) -> str:
        return "\n".join(text for _, text in sorted(self.texts.items()) if text.strip())


def select(
    candidates: Iterable[Candidate],
    query: Query,
    *,
    budget_tokens: int,
    count_tokens: CountTokens,
    redact: Redact,
) -> Picked:
    """Choose what goes into the prompt; a snippet for each file, the best one last.

    A snippet costs its text and its path; both are counted within ``budget_tokens``.
    """
    merged = _merged(candidates)
    reasons = {
        index: "below threshold"
        for index, candidate in enumerate(merged)
        if candidate.score < SCORE_MIN
    }
    selector = _Selector(query, budget_tokens, count_tokens, redact)
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
    return Picked(Selection(snippets, considered), frozenset(used), worth)


def _units(
    candidates: Sequence[Candidate], dropped: Collection[int]
) -> Iterator[tuple[float, int, int]]:
    """(score, candidate, part or -1 for all that is required) of all that is worth its tokens."""
    for index, candidate in enumerate(candidates):
        if index in dropped:
            continue
        optional = {
            number: min(part.score, candidate.score)
            for number, part in enumerate(candidate.parts)
            if part.score != REQUIRED
        }
        # A class is worth what its best member is: its name stands at the cursor anyway.
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
    """What the prompt's window holds already."""

    def __init__(self, query: Query) -> None:
        text = query.shown_text
        self._lines = {line.strip() for line in text.split("\n")}
        self._squeezed = _SPACE.sub("", text)

    def has(self, text: str) -> bool:
        """Whether a signature stands there: its text up to the elided body."""
        head = _SPACE.sub("", text.partition("...")[0])
        return bool(head) and head in self._squeezed

    def most_of(self, text: str) -> bool:
        """Whether more than half of a text's lines do."""
        lines = [line.strip() for line in text.split("\n") if line.strip()]
        there = sum(line in self._lines for line in lines)
        return there > _SHOWN_LINES_MAX * len(lines)


class _Selector:
    """Takes candidates in, in the order they come, while there are tokens left."""

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
        """Take in what a candidate requires; return why not, "" if it is in."""
        chosen = _Chosen(candidate)
        for number in _necessary(candidate):
            text = self._redact(candidate.parts[number].text, candidate.path)
            if text is None:
                return "secret"
            chosen.texts[number] = text
        text = chosen.text
        if not text:
            return "no member needed" if candidate.parts else "empty"
        is_window = candidate.source in _WINDOW_SOURCES
        if reason := self._repeats(text, is_window=is_window):
            return reason
        path = 0 if candidate.path in self._paths else self._count(f"# {candidate.path}\n")
        chosen.tokens = path + self._count(text + "\n")
        if chosen.tokens > self._left:
            return "budget"
        self._left -= chosen.tokens
        self._paths.add(candidate.path)
        self._windows += is_window
        self.chosen[index] = chosen
        return ""

    def add_part(self, index: int, number: int) -> bool:
        """Take in one more part of a candidate that is in; return whether it is in now."""
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
    """The parts without which a candidate says nothing: a class's head needs one member."""
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
    """A snippet for each file, with what was chosen of it in the file's order."""
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
