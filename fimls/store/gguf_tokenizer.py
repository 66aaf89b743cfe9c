"""A ``tokenizer.json`` from a GGUF file's metadata."""

from __future__ import annotations

from pathlib import Path

from gguf import TokenType
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

from fimls.store.gguf_file import Gguf
from fimls.types import StoreError

_QWEN2_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def _qwen2() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_QWEN2_WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def _smollm() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )


# By the value of tokenizer.ggml.pre. The regular expressions are each family's published ones.
_PRE_TOKENIZERS = {"qwen2": _qwen2, "smollm": _smollm}

# Tokens of both kinds don't mean their spelling. They are marked special, so that a tokenizer that
# encodes special tokens as plain text never makes one out of source code.
_CONTROL_TYPES = frozenset({TokenType.CONTROL, TokenType.USER_DEFINED})


def write_tokenizer(model: Gguf, path: Path) -> None:
    """Write the model's byte-level BPE tokenizer in the ``tokenizers`` library's format.

    It has no normalizer, because text must round-trip exactly: Qwen's own applies NFC, which would
    change the user's code (``e`` + combining acute would come back as one character).

    Raises:
        StoreError: the file's tokenizer is of a kind that is not known here.
    """
    kind, pre = model.get("tokenizer.ggml.model"), model.get("tokenizer.ggml.pre")
    if kind != "gpt2" or pre not in _PRE_TOKENIZERS:
        raise StoreError(
            f"can't make a tokenizer of kind {kind!r} with pre-tokenizer {pre!r}",
            hint="known: gpt2 with " + ", ".join(_PRE_TOKENIZERS),
        )
    tokens: list[str] = model.get("tokenizer.ggml.tokens")
    types = [TokenType(value) for value in model.get("tokenizer.ggml.token_type")]
    # Padding rows (UNUSED) have no text and are left out. Control tokens are included to keep their
    # ids; no merge produces them.
    vocabulary = {
        token: index
        for index, (token, token_type) in enumerate(zip(tokens, types, strict=True))
        if token_type != TokenType.UNUSED
    }
    merges = [
        (left, right)
        for left, _, right in (merge.partition(" ") for merge in model.get("tokenizer.ggml.merges"))
    ]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, fuse_unk=False))
    tokenizer.pre_tokenizer = _PRE_TOKENIZERS[pre]()
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [
            AddedToken(token, special=True, normalized=False)
            for token, token_type in zip(tokens, types, strict=True)
            if token_type in _CONTROL_TYPES
        ]
    )
    tokenizer.save(str(path), pretty=False)
