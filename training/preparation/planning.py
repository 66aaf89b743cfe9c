"""Planning: what one process decides in the corpus's order, from fingerprints alone."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from training.corpus import (
    Dropped,
    Duplicates,
    Splits,
    assign_splits,
    change_times,
    file_key,
)
from training.preparation.reading import ReadChunk, ReadFile
from training.preparation.settings import Settings
from training.types import CorpusError, Repository, SpanKind, Split

_HASH = re.compile(r"[0-9a-f]{40,64}")
_SHARD_BYTES = 4_000_000
# Half a minute's work at most, so that even one repository keeps all processes busy.
_SHARD_EXAMPLES = 250
# So that long files, which are often lists of cases, don't get most of the spans.
_WEIGHT_BYTES_MAX = 16_000


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file that is kept, and what is drawn from it."""

    read: ReadFile
    split: Split
    expected: float
    """How many spans; the fraction is the chance of one more."""
    held_out: tuple[tuple[int, int, Split], ...] = ()
    """(start, end, split) of its functions that have another split than the file."""

    def split_of(self, start: int, end: int) -> Split:
        """Return the split of ``text[start:end]``: that of the held-out function it touches."""
        for first, last, split in self.held_out:
            if start < last and first < end:
                return split
        return self.split


@dataclass(frozen=True, slots=True)
class PlannedRepository:
    """A repository, and all of it that retrieval may see."""

    number: int
    repository: Repository
    parts: int
    """How many chunks its texts are in."""
    files: tuple[PlannedFile, ...]
    repeated: frozenset[str]
    """Paths of files that were dropped as duplicates."""
    others: tuple[str, ...]
    """Paths of files that exist and may not be read."""

    @property
    def hidden(self) -> frozenset[str]:
        """The paths of held-out files: no example that is learnt from may show them."""
        return frozenset(one.read.path for one in self.files if one.split is not Split.TRAIN)


@dataclass(frozen=True, slots=True)
class Task:
    """A shard to write: files of one repository, or (without files) edits of its history."""

    index: int
    """The shard's."""
    number: int
    """The repository's."""
    files: tuple[PlannedFile, ...] = ()
    edits: int = 0
    """How many."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is to be done."""

    repositories: tuple[PlannedRepository, ...]
    tasks: tuple[Task, ...]
    splits: Splits
    dropped: Mapping[int, Sequence[Dropped]] = field(default_factory=dict)
    """By the repository's number, duplicates included."""

    @property
    def sha256(self) -> str:
        """Of all that the shards are made from; a resumed run must find it unchanged."""
        digest = hashlib.sha256()
        for task in self.tasks:
            files = [
                [one.read.path, one.read.fingerprint.exact.hex(), one.expected, one.split.value]
                for one in task.files
            ]
            row = [task.index, self.repositories[task.number].repository.commit, task.edits, files]
            digest.update(json.dumps(row).encode())
        return digest.hexdigest()


def plan(
    repositories: Sequence[Repository],
    listed_out: Mapping[int, Sequence[Dropped]],
    chunks: Sequence[ReadChunk],
    settings: Settings,
) -> Plan:
    """Decide which files are kept, their splits, how much is drawn from them, and in which shard.

    listed_out: what was dropped unread, by the repository's number.
    chunks: of all repositories, in order.

    Raises:
        CorpusError: nothing is left to learn from.
    """
    duplicates = Duplicates()
    dropped = {number: list(listed_out.get(number, ())) for number in range(len(repositories))}
    kept: dict[int, list[ReadFile]] = {number: [] for number in range(len(repositories))}
    repeated: dict[int, set[str]] = {number: set() for number in range(len(repositories))}
    parts = dict.fromkeys(range(len(repositories)), 0)
    for chunk in chunks:
        parts[chunk.number] += 1
        dropped[chunk.number] += chunk.dropped
        for file in chunk.files:
            duplicate = duplicates.add(file.fingerprint)
            if duplicate is None:
                kept[chunk.number].append(file)
            else:
                repeated[chunk.number].add(file.path)
                dropped[chunk.number].append(Dropped(file.path, duplicate[0], file.bytes))
    _check(repositories, kept, dropped)
    splits = assign_splits(
        [file.fingerprint for files in kept.values() for file in files],
        by=settings.split,
        fractions=settings.fractions,
        seed=settings.seed,
        times=_times(repositories, kept) if settings.newest else None,
    )
    expected = _expected(kept, settings)
    planned = tuple(
        PlannedRepository(
            number,
            repository,
            parts[number],
            tuple(_planned(file, splits, expected) for file in kept[number]),
            frozenset(repeated[number]),
            tuple(sorted(one.path for one in dropped[number] if not one.path.endswith("/"))),
        )
        for number, repository in enumerate(repositories)
    )
    return Plan(planned, _tasks(planned, settings), splits, dropped)


def _planned(file: ReadFile, splits: Splits, expected: float) -> PlannedFile:
    key = file.fingerprint.key
    weight = min(file.bytes, _WEIGHT_BYTES_MAX)
    return PlannedFile(file, splits.files[key], expected * weight, splits.functions.get(key, ()))


def _expected(kept: Mapping[int, Sequence[ReadFile]], settings: Settings) -> float:
    """How many spans for each byte of weight."""
    files = [file for group in kept.values() for file in group]
    weight = sum(min(file.bytes, _WEIGHT_BYTES_MAX) for file in files)
    return settings.wanted(sum(file.fingerprint.chars for file in files)) / weight


def _times(
    repositories: Sequence[Repository], kept: Mapping[int, Sequence[ReadFile]]
) -> dict[str, float]:
    """When each file last changed, as far as git knows."""
    times: dict[str, float] = {}
    for number, repository in enumerate(repositories):
        of_path = change_times(repository.root) if kept[number] else {}
        times |= {file_key(repository.name, path): time for path, time in of_path.items()}
    if not times:
        raise CorpusError(
            "the newest changes can't be held out: no source has a history",
            hint="leave out --newest, or give a git repository",
        )
    return times


def _tasks(repositories: Sequence[PlannedRepository], settings: Settings) -> tuple[Task, ...]:
    """Cut the repositories into shards; the edits of one that has a history are a shard more."""
    tasks: list[Task] = []
    share = settings.mix.get(SpanKind.EDIT, 0.0) / sum(settings.mix.values())
    for planned in repositories:
        # A package's commit is its version: it has no history.
        has_git = bool(share) and _HASH.fullmatch(planned.repository.commit) is not None
        files: list[PlannedFile] = []
        size, examples = 0, 0.0
        for file in planned.files:
            rest = file.expected * (1 - share) if has_git else file.expected
            files.append(PlannedFile(file.read, file.split, rest, file.held_out))
            size += file.read.bytes
            examples += rest
            if size >= _SHARD_BYTES or examples >= _SHARD_EXAMPLES:
                tasks.append(Task(len(tasks), planned.number, tuple(files)))
                files, size, examples = [], 0, 0.0
        if files:
            tasks.append(Task(len(tasks), planned.number, tuple(files)))
        edits = round(sum(file.expected for file in planned.files) * share) if has_git else 0
        if edits:
            tasks.append(Task(len(tasks), planned.number, edits=edits))
    return tuple(tasks)


def _check(
    repositories: Sequence[Repository],
    kept: Mapping[int, Sequence[ReadFile]],
    dropped: Mapping[int, Sequence[Dropped]],
) -> None:
    if any(kept.values()):
        return
    names = ", ".join(repository.name for repository in repositories[:3]) or "the sources"
    counts: dict[str, int] = {}
    for one in (one for group in dropped.values() for one in group):
        counts[one.reason.value] = counts.get(one.reason.value, 0) + 1
    reasons = ", ".join(
        f"{count} {reason}" for reason, count in sorted(counts.items(), key=lambda item: -item[1])
    )
    raise CorpusError(
        f"{names}: no file to learn from" + (f"; dropped: {reasons}" if reasons else ""),
        hint="name a folder with source code; --public needs a licence",
    )
