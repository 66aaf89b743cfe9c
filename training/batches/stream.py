"""An endless stream of optimizer steps, the same each time, that can begin anywhere in it.

Several examples are packed into a row, so that no computing is spent on padding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from fimls.fim import TokenizedExample
from fimls.fim.prompt import IGNORED_LABEL
from training.types import DatasetError, Split


@dataclass(frozen=True, slots=True)
class PackedRow:
    """Whole examples, one after the other; attention must not cross from one to the next."""

    examples: tuple[TokenizedExample, ...]

    @property
    def input_ids(self) -> list[int]:
        """Of all examples, [tokens]."""
        return [index for example in self.examples for index in example.input_ids]

    @property
    def labels(self) -> list[int]:
        """Shifted by one, [tokens]: ``labels[i]`` is what position i has to predict.

        The last position of an example predicts nothing, rather than the next example's start.
        """
        return [
            label for example in self.examples for label in (*example.labels[1:], IGNORED_LABEL)
        ]

    @property
    def segment_lengths(self) -> tuple[int, ...]:
        """Of each example, in tokens."""
        return tuple(len(example.input_ids) for example in self.examples)

    @property
    def tokens(self) -> int:
        """In all examples."""
        return sum(self.segment_lengths)

    @property
    def label_tokens(self) -> int:
        """How many positions the loss falls on."""
        return sum(label_tokens(example) for example in self.examples)

    def halves(self) -> tuple[PackedRow, PackedRow] | None:
        """Two rows of about half the tokens; None for a single example, which can't be divided."""
        if len(self.examples) < 2:
            return None
        middle, seen, half = 1, self.segment_lengths[0], self.tokens / 2
        for length in self.segment_lengths[1:-1]:
            if seen + length / 2 > half:
                break
            seen += length
            middle += 1
        return PackedRow(self.examples[:middle]), PackedRow(self.examples[middle:])


def label_tokens(example: TokenizedExample) -> int:
    """How many of its positions are predicted."""
    return sum(label != IGNORED_LABEL for label in example.labels[1:])


def pack(examples: Iterable[TokenizedExample], row_tokens: int) -> list[PackedRow]:
    """Rows of at most ``row_tokens``, first fit with the longest examples first.

    An example that is longer by itself has a row of its own. The result depends on the examples'
    order only among equally long ones.
    """
    bins: list[list[TokenizedExample]] = []
    room: list[int] = []
    for example in sorted(examples, key=lambda one: -len(one.input_ids)):
        length = len(example.input_ids)
        fit = next((at for at, left in enumerate(room) if left >= length), None)
        if fit is None:
            bins.append([example])
            room.append(row_tokens - length)
        else:
            bins[fit].append(example)
            room[fit] -= length
    return [PackedRow(tuple(one)) for one in bins]


Item = TypeVar("Item")
Item_co = TypeVar("Item_co", covariant=True)

Encode = Callable[[Item, int, int], TokenizedExample]
"""From an example, its epoch and its index in the epoch to ids and labels."""


class ExampleSource(Protocol[Item_co]):
    """What a dataset offers to training: ``FimExample``s, or whatever the encoder takes."""

    def count(self, split: Split) -> int:
        """How many examples a split has."""
        ...

    def examples(
        self, split: Split, *, shuffle_seed: int | None = None, start: int = 0
    ) -> Iterator[Item_co]:
        """A split's examples from number ``start`` on, in the order that the seed makes."""
        ...


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a stream."""

    epoch: int = 0
    index: int = 0
    """How many examples of the epoch all processes together have used."""
    tokens: int = 0
    """Seen since the start, by this process."""
    dropped: int = 0
    """Examples left out since the start, by this process."""


@dataclass(frozen=True, slots=True)
class TokenStep:
    """What one optimizer step learns from."""

    rows: tuple[PackedRow, ...]
    after: Position
    """Where the stream goes on once the step is done."""

    @property
    def tokens(self) -> int:
        """In all rows."""
        return sum(row.tokens for row in self.rows)

    @property
    def label_tokens(self) -> int:
        """The number that the step's loss is divided by."""
        return sum(row.label_tokens for row in self.rows)


@dataclass(frozen=True, slots=True)
class StepStream(Generic[Item]):
    """Steps over the training split, again and again, shuffled anew in each epoch."""

    source: ExampleSource[Item]
    encode: Encode[Item]
    step_tokens: int
    """About so many in a step, of all processes together; an epoch's last step may be smaller."""
    row_tokens: int
    """At most so many in a row; a longer example is dropped, and counted."""
    seed: int = 0
    """Of the shuffles."""
    process: int = 0
    """This process takes every ``processes``-th example, from this number on."""
    processes: int = 1

    def steps(self, position: Position = Position()) -> Iterator[TokenStep]:
        """The steps from a position on, without end.

        Raises:
            DatasetError: an epoch has no example that can be learnt from.
        """
        while True:
            before = position.tokens
            for step in self._epoch(position):
                position = step.after
                yield step
            if position.tokens == before and position.index == 0:
                raise DatasetError(
                    f"no example of the {Split.TRAIN.value} split has at most {self.row_tokens} "
                    "tokens",
                    hint="raise row_tokens, or prepare the dataset from more code",
                )
            position = Position(position.epoch + 1, 0, position.tokens, position.dropped)

    def _epoch(self, position: Position) -> Iterator[TokenStep]:
        target = max(1, self.step_tokens // self.processes)
        tokens, dropped, index = position.tokens, position.dropped, position.index
        taken: list[TokenizedExample] = []
        taken_tokens = 0
        examples = self.source.examples(
            Split.TRAIN, shuffle_seed=epoch_seed(self.seed, position.epoch), start=index
        )
        for example in examples:
            index += 1
            if (index - 1) % self.processes != self.process:
                continue
            encoded = self.encode(example, position.epoch, index - 1)
            if len(encoded.input_ids) > self.row_tokens or not label_tokens(encoded):
                dropped += 1
                continue
            taken.append(encoded)
            taken_tokens += len(encoded.input_ids)
            if taken_tokens >= target:
                tokens += taken_tokens
                yield self._step(taken, Position(position.epoch, index, tokens, dropped))
                taken, taken_tokens = [], 0
        if taken:
            tokens += taken_tokens
            yield self._step(taken, Position(position.epoch, index, tokens, dropped))

    def _step(self, examples: list[TokenizedExample], after: Position) -> TokenStep:
        return TokenStep(tuple(pack(examples, self.row_tokens)), after)


def epoch_seed(seed: int, epoch: int) -> int:
    """The shuffle's seed in an epoch, in [0, 2**63)."""
    digest = hashlib.sha256(f"epoch {seed} {epoch}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
