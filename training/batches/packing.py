"""Packing: several examples in a row, so that no computing is spent on padding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fimls.fim import TokenizedExample
from fimls.fim.prompt import IGNORED_LABEL


@dataclass(frozen=True, slots=True)
class PackedRow:
    """Whole examples, one behind the other; attention must not cross from one to the next."""

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


def total_tokens(rows: Sequence[PackedRow]) -> int:
    """In all rows."""
    return sum(row.tokens for row in rows)
