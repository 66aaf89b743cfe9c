"""Examples from elsewhere among those of a dataset."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from training.batches import ExampleSource
from training.types import Split

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Strewn(Generic[Item]):
    """A source with more examples strewn over its training split: each once an epoch."""

    source: ExampleSource[Item]
    added: Sequence[Item]

    def count(self, split: Split) -> int:
        """See :class:`ExampleSource`."""
        return self.source.count(split) + len(self._added(split))

    def examples(
        self, split: Split, *, shuffle_seed: int | None = None, start: int = 0
    ) -> Iterator[Item]:
        """See :class:`ExampleSource`. Where the added ones stand depends on the seed alone."""
        added = self._added(split)
        total = self.source.count(split) + len(added)
        rng = random.Random(f"places {shuffle_seed}")  # noqa: S311 - an order
        places = rng.sample(range(total), len(added))
        at = dict(zip(places, added, strict=True))
        before = sum(place < start for place in at)
        others = self.source.examples(split, shuffle_seed=shuffle_seed, start=start - before)
        for index in range(start, total):
            if index in at:
                yield at[index]
            else:
                yield next(others)

    def _added(self, split: Split) -> Sequence[Item]:
        return self.added if split is Split.TRAIN else ()
