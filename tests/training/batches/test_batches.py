from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from fimls.fim import (
    FORMATS,
    Budget,
    FimFormat,
    Order,
    PromptBuilder,
    TokenizedExample,
    encode_example,
)
from fimls.fim.prompt import IGNORED_LABEL
from fimls.types import Snippet
from tests.fim_tokenizers import byte_tokenizer
from training.batches import (
    ExampleEncoder,
    PackedRow,
    Position,
    StepStream,
    TokenStep,
    pack,
)
from training.types import CorpusFile, DatasetError, FimExample, Span, SpanKind, Split

QWEN = FORMATS["qwen2.5-coder"]
BUDGET = Budget(32, 16, 64)


def example(number: int = 0, *, snippets: tuple[Snippet, ...] = ()) -> FimExample:
    """A middle of a few characters."""
    text = f"def f{number}(x):\n    return x + {number}\n"
    file = CorpusFile("r", "", "a.py", "python", "MIT", text)
    return FimExample(file, Span(20, 27, SpanKind.EXPRESSION), snippets)


def tokens(length: int, first: int = 0) -> TokenizedExample:
    """``length`` ids, the last two of which are learnt."""
    ids = tuple(range(first, first + length))
    return TokenizedExample(ids, (IGNORED_LABEL,) * (length - 2) + ids[-2:])


class Numbers:
    """A source of numbered examples, in the order of the seed's rotation."""

    def __init__(self, count: int) -> None:
        self._examples = [example(number) for number in range(count)]

    def count(self, split: Split) -> int:  # noqa: ARG002 - the protocol's
        """All are for training."""
        return len(self._examples)

    def examples(
        self,
        split: Split,  # noqa: ARG002 - the protocol's
        *,
        shuffle_seed: int | None = None,
        start: int = 0,
    ) -> Iterator[FimExample]:
        """See :class:`training.batches.ExampleSource`."""
        turn = (shuffle_seed or 0) % max(len(self._examples), 1)
        return iter((self._examples[turn:] + self._examples[:turn])[start:])


def encoder_of(row: FimFormat, **options: Any) -> ExampleEncoder:
    """An encoder for a tokenizer of bytes."""
    settings = {"budget": BUDGET, "spm_share": 0.75, "context_share": 0.75, "healing": True}
    return ExampleEncoder(row, byte_tokenizer(), **{**settings, "seed": 0, **options})


def stream(count: int = 7, **options: int) -> StepStream[FimExample]:
    """Steps of about 60 tokens; an example's ids say epoch, index and number."""
    encoder = encoder_of(QWEN)
    settings: dict[str, Any] = {"step_tokens": 120, "row_tokens": 80, **options}
    return StepStream(
        Numbers(count),
        lambda one, epoch, index: encoder.encode(one, epoch=epoch, index=index),
        **settings,
    )


def test_an_example_is_the_serving_prompt_and_its_middle() -> None:
    """The ids are those of ``encode_example`` with the serving builder, nothing of its own."""
    encoder = encoder_of(QWEN, spm_share=1.0)
    one = example()
    builder = PromptBuilder(QWEN, byte_tokenizer(), BUDGET, Order.SPM, healing=True)
    expected = encode_example(one.context, one.middle, builder)
    assert expected == encoder.encode(one, epoch=3, index=5)


def test_shares_are_drawn_from_seed_epoch_and_index_alone() -> None:
    """About the given shares have the suffix first, and snippets; a second draw is the same."""
    budget = Budget(32, 16, 64)
    encoders = [encoder_of(QWEN, budget=budget, context_share=0.5, seed=7) for _ in range(2)]
    one = example(snippets=(Snippet("b.py", "y = 1\n"),))
    suffix_id = byte_tokenizer().control_tokens["<|fim_suffix|>"]
    prefix_id = byte_tokenizer().control_tokens["<|fim_prefix|>"]
    seen: Counter[str] = Counter()
    for index in range(400):
        ids, again = (encoder.encode(one, epoch=1, index=index).input_ids for encoder in encoders)
        assert ids == again
        seen["spm"] += ids[ids.index(prefix_id) + 1] == suffix_id
        seen["context"] += byte_tokenizer().control_tokens["<|file_sep|>"] in ids
    assert 260 < seen["spm"] < 340
    assert 160 < seen["context"] < 240


def test_a_format_with_one_order_is_trained_in_it() -> None:
    """A share that the format can't serve is no error: it has no choice."""
    encoder = encoder_of(FORMATS["codestral"])
    assert [Order.SPM] == list(encoder.builders)
    assert encoder.encode(example(), epoch=0, index=0).input_ids


def test_packed_rows_hold_every_example_once_and_whole() -> None:
    """No row is longer than asked, unless one example alone is."""
    examples = [tokens(length, 100 * length) for length in (5, 9, 3, 14, 7, 2, 30)]
    rows = pack(examples, 16)
    packed = [one for row in rows for one in row.examples]
    assert sorted(examples, key=lambda one: one.input_ids) == sorted(
        packed, key=lambda one: one.input_ids
    )
    assert [30] == [row.tokens for row in rows if row.tokens > 16]
    assert sum(row.tokens for row in rows) == 70
    assert len(rows) == 4


def test_labels_are_shifted_and_never_cross_examples() -> None:
    """Position i predicts id i + 1; an example's last position predicts nothing."""
    row = PackedRow((tokens(4, 10), tokens(3, 20)))
    assert [10, 11, 12, 13, 20, 21, 22] == row.input_ids
    ignored = IGNORED_LABEL
    assert [ignored, 12, 13, ignored, 21, 22, ignored] == row.labels
    assert (4, 3) == row.segment_lengths
    assert 4 == row.label_tokens


def test_halves_are_the_same_examples() -> None:
    """Divided near the middle of the tokens; one example can't be divided."""
    row = PackedRow(tuple(tokens(length) for length in (9, 4, 3, 2)))
    halves = row.halves()
    assert halves is not None
    assert row.examples == halves[0].examples + halves[1].examples
    assert [9, 9] == [half.tokens for half in halves]
    assert PackedRow((tokens(9),)).halves() is None


def take(steps: Iterator[TokenStep], count: int) -> list[TokenStep]:
    """The next few."""
    return list(itertools.islice(steps, count))


def test_a_stream_goes_on_from_any_position() -> None:
    """Begun after step k, it yields what came after step k, across epochs."""
    whole = take(stream().steps(), 9)
    assert whole[-1].after.epoch >= 1
    for done in range(8):
        assert whole[done + 1 :] == take(stream().steps(whole[done].after), 8 - done)


def test_epochs_cover_every_example_in_their_own_order() -> None:
    """Each example is in each epoch once, and the order differs."""
    steps = take(stream(count=6).steps(), 12)
    by_epoch = [
        [one.input_ids for step in steps if step.after.epoch == epoch for row in step.rows
         for one in row.examples]
        for epoch in (0, 1)
    ]  # fmt: skip
    assert [6, 6] == [len(one) for one in by_epoch]
    assert by_epoch[0] != by_epoch[1]


def test_processes_share_an_epoch_without_overlap() -> None:
    """Together they see what one process would, each example in one of them."""
    alone = [one for step in take(stream(count=8).steps(), 20) if step.after.epoch == 0
             for row in step.rows for one in row.examples]  # fmt: skip
    shared = [
        one
        for process in (0, 1)
        for step in take(stream(count=8, process=process, processes=2).steps(), 20)
        if step.after.epoch == 0
        for row in step.rows
        for one in row.examples
    ]
    assert sorted(one.input_ids for one in alone) == sorted(one.input_ids for one in shared)


def test_too_long_examples_are_dropped_and_counted() -> None:
    """If nothing else is left, that is an error rather than an endless loop."""
    with pytest.raises(DatasetError, match="at most 20 tokens"):
        next(stream(row_tokens=20).steps(Position()))
