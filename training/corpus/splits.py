"""Which files, or which functions, are held out, so that no held-out function was learnt."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from training.corpus.duplicates import (
    FUNCTION_SLOTS,
    Fingerprint,
    Signatures,
    similarities,
)
from training.corpus.words import row_hashes
from training.types import Split

SplitUnit = Literal["repository", "file", "function"]

SAME_FUNCTION = 0.7
"""The share of common word runs from which two functions count as the same."""

_BANDS = 16  # of 4 slots: at a similarity of .7 a pair is missed once in 80 times


@dataclass(frozen=True, slots=True)
class Splits:
    """What every part of the corpus is used for."""

    files: Mapping[str, Split]
    """By the file's key; in a split by functions, what the code outside of functions is for."""
    functions: Mapping[str, tuple[tuple[int, int, Split], ...]]
    """By the file's key, the functions that have another split than their file: (start, end, split)
    in code points."""
    units: int
    """How many files, functions or repositories were shared out."""
    largest_cluster: int
    """The most units that near-duplicate functions tie together: a large share of all units means
    that little could be held out."""


def assign_splits(
    files: Sequence[Fingerprint],
    *,
    by: SplitUnit,
    fractions: Mapping[Split, float],
    seed: int,
    times: Mapping[str, float] | None = None,
) -> Splits:
    """Assign whole repositories, files or functions to splits.

    Units with near-duplicate functions form a cluster, and a cluster is never divided. Clusters are
    taken in a random order, which depends on ``seed`` and their names alone, and each goes to the
    first held-out split that still has room for it; what fits into none is trained on. So no
    held-out split is larger than its fraction (by characters), and one may stay empty.

    fractions: of the held-out splits; the rest is for training.
    times: when each file (by key) last changed. With them the newest clusters are held out, for the
        test split before the validation split. A cluster is as old as its oldest unit, so that no
        older code is held out.
    """
    units = list(_units(files, by))
    clusters = _clusters(units)
    if times is None:
        order = sorted(clusters, key=lambda cluster: _random(seed, units[cluster[0]].name))
    else:
        order = sorted(
            clusters,
            key=lambda cluster: (
                -min(times.get(key, 0.0) for unit in cluster for key in units[unit].keys),
                units[cluster[0]].name,
            ),
        )
    total = sum(unit.chars for unit in units)
    held = (Split.TEST, Split.VALIDATION)
    room = {split: fractions.get(split, 0.0) * total for split in held}
    chosen = [Split.TRAIN] * len(units)
    for cluster in order:
        chars = sum(units[unit].chars for unit in cluster)
        split = next((split for split in held if 0 < chars <= room[split]), Split.TRAIN)
        if split is not Split.TRAIN:
            room[split] -= chars
        for unit in cluster:
            chosen[unit] = split
    largest = max(map(len, clusters), default=0)
    return _splits(files, units, chosen, largest)


@dataclass(frozen=True, slots=True)
class _Unit:
    """What is held out as a whole."""

    name: str
    """Decides its place in the order."""
    keys: tuple[str, ...]
    """Of its files."""
    span: tuple[int, int] | None
    """Of a function in its file; None for whole files."""
    chars: int
    signatures: tuple[bytes, ...]
    """Of its functions."""


def _units(files: Sequence[Fingerprint], by: SplitUnit) -> Iterator[_Unit]:
    if by == "function":
        for file in files:
            for function in file.functions:
                yield _Unit(
                    f"{file.key}:{function.start}",
                    (file.key,),
                    (function.start, function.end),
                    function.end - function.start,
                    (function.signature,),
                )
        return
    groups: dict[str, list[Fingerprint]] = {}
    for file in files:
        groups.setdefault(file.repository if by == "repository" else file.key, []).append(file)
    for name, group in groups.items():
        yield _Unit(
            name,
            tuple(file.key for file in group),
            None,
            sum(file.chars for file in group),
            tuple(function.signature for file in group for function in file.functions),
        )


def _splits(
    files: Sequence[Fingerprint], units: list[_Unit], chosen: list[Split], largest: int
) -> Splits:
    of_file = dict.fromkeys((file.key for file in files), Split.TRAIN)
    functions: dict[str, list[tuple[int, int, Split]]] = {}
    for unit, split in zip(units, chosen, strict=True):
        for key in unit.keys:
            if unit.span is None:
                of_file[key] = split
            elif split is not Split.TRAIN:
                functions.setdefault(key, []).append((*unit.span, split))
    return Splits(
        of_file, {key: tuple(spans) for key, spans in functions.items()}, len(units), largest
    )


def _random(seed: int, name: str) -> bytes:
    return hashlib.blake2b(f"{seed}:{name}".encode("utf-8", "surrogateescape")).digest()


def _clusters(units: Sequence[_Unit]) -> list[list[int]]:
    """Return the units' numbers, grouped: units with near-duplicate functions are together."""
    parents = list(range(len(units)))

    def root(unit: int) -> int:
        while parents[unit] != unit:
            parents[unit] = unit = parents[parents[unit]]
        return unit

    owners = np.repeat(np.arange(len(units)), [len(unit.signatures) for unit in units])
    joined = b"".join(signature for unit in units for signature in unit.signatures)
    signatures = np.frombuffer(joined, np.uint32).reshape(-1, FUNCTION_SLOTS)
    for one, other in _near_pairs(signatures):
        first, second = sorted((root(int(owners[one])), root(int(owners[other]))))
        parents[second] = first
    groups: dict[int, list[int]] = {}
    for unit in range(len(units)):
        groups.setdefault(root(unit), []).append(unit)
    return list(groups.values())


def _near_pairs(signatures: Signatures) -> Iterator[tuple[int, int]]:
    """Yield pairs of rows that are near duplicates, enough to connect all that are found.

    In each band, rows with equal slots are neighbours once they are sorted; each is compared with
    the first of its kind and with the one before it. So the work is linear in the rows, however
    often a function is repeated; with an index, each would be compared with all others.
    """
    if len(signatures) < 2:
        return
    for slots in np.split(signatures, _BANDS, axis=1):
        band = row_hashes(slots.astype(np.uint64))
        order = np.argsort(band, kind="stable")
        is_first = np.concatenate(([True], np.diff(band[order]) != 0))
        first = order[np.maximum.accumulate(np.where(is_first, np.arange(len(order)), 0))]
        before = np.roll(order, 1)
        for others in (first, before):
            rows = np.flatnonzero(~is_first)
            near = similarities(signatures[order[rows]], signatures[others[rows]]) >= SAME_FUNCTION
            yield from zip(order[rows][near].tolist(), others[rows][near].tolist(), strict=True)
