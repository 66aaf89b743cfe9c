"""Small tokenizers for tests of prompts: one without merges, and one trained on the spot."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from fimls.fim import FORMATS, FimFormat, Tokenizer

REPOSITORY = Path(__file__).parents[1]

CONTROL_TOKENS = tuple(
    dict.fromkeys(
        token
        for row in FORMATS.values()
        for token in (*row.layout_tokens, row.end, *row.stops, row.bos, row.file)
        if token is not None
    )
)
"""The control tokens of every family."""

# Qwen's published expression for the pieces that merges stay within.
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@functools.cache
def byte_tokenizer() -> Tokenizer:
    """A token for each byte and each family's control tokens."""
    return Tokenizer.of_bytes(CONTROL_TOKENS)


@functools.cache
def trained_tokenizer() -> Tokenizer:
    """Byte-level BPE with 2,000 tokens, trained on the sources under test, cut like Qwen's."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(tokenizers.Regex(_WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=2000,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    sources = sorted((REPOSITORY / "fimls" / "fim").glob("*.py"))
    tokenizer.train_from_iterator((path.read_text("utf-8") for path in sources), trainer)
    return Tokenizer(json.loads(tokenizer.to_str())).with_added(CONTROL_TOKENS)


def row_tokenizer(row: FimFormat) -> Tokenizer:
    """A token for each byte, and the control tokens of one family alone."""
    names = [*row.layout_tokens, row.end, *row.stops, row.bos, row.file]
    return Tokenizer.of_bytes(dict.fromkeys(name for name in names if name is not None))
