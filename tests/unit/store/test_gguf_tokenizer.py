from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer

from fimls.store.gguf_file import open_gguf
from fimls.store.gguf_tokenizer import write_tokenizer
from fimls.types import StoreError
from tests.unit.store.tiny import CONTROL, vocabulary, write_model

TRICKY = [
    "def f(x):\n    return x + 1\n",
    "a\r\nb\r\n\r\n  c\r",
    "\t\tif x:\n\n\n\t",
    "   \n   ",
    "x = 12345678901234567890.5e-10",
    "na\u00efve cafe\u0301 \u65e5\u672c\u8a9e \U0001f642\U0001f643\u200d\U0001d54f",
    "I'll DON'T 'S 'x '\u017f",
    "\u2028\u0085\x0c\x0b\x00\x7f",
    " leading and trailing  ",
    "#include <stdio.h>\nint main(){return 0;}",
    "$#@!%^&*()[]{}|\\;:'\",.<>/?`~",
    "\u0661\u0662\u0663 \u00bd \u00b2 \u2167",
    "\u00a0nbsp\u3000wide\u200bzero",
    "=" * 300,
]


def tokenizer(tmp_path: Path, pre: str = "qwen2", unused: int = 0) -> Tokenizer:
    """The tokenizer of a tiny model."""
    model = open_gguf(write_model(tmp_path / "model.gguf", pre=pre, unused=unused))
    write_tokenizer(model, tmp_path / "tokenizer.json")
    return Tokenizer.from_file(str(tmp_path / "tokenizer.json"))


@pytest.mark.parametrize("pre", ["qwen2", "smollm"])
@pytest.mark.parametrize("text", TRICKY)
def test_text_round_trips(tmp_path: Path, pre: str, text: str) -> None:
    """Every character comes back as it was: no normalizer, no cleaning up."""
    made = tokenizer(tmp_path, pre)
    assert text == made.decode(made.encode(text).ids, skip_special_tokens=False)


def test_merges_apply(tmp_path: Path) -> None:
    """Merges join bytes in their order."""
    assert ["def", "\u0120", "de", "d"] == tokenizer(tmp_path).encode("def ded").tokens


@pytest.mark.parametrize(("pre", "expected"), [("qwen2", ["(de"]), ("smollm", ["(", "de"])])
def test_pre_tokenizers_differ(tmp_path: Path, pre: str, expected: list[str]) -> None:
    """Each family cuts words its own way: Qwen takes a sign before letters with them."""
    made = tokenizer(tmp_path, pre).pre_tokenizer
    assert made is not None
    assert expected == [word for word, _ in made.pre_tokenize_str("(de")]


def test_control_tokens_keep_their_ids(tmp_path: Path) -> None:
    """A control token has its row's id."""
    made = tokenizer(tmp_path)
    tokens = vocabulary()[0]
    assert [tokens.index(name) for name in CONTROL] == [made.token_to_id(name) for name in CONTROL]


@pytest.mark.parametrize("name", CONTROL)
def test_spelled_out_control_token_is_text(tmp_path: Path, name: str) -> None:
    """Told to take special tokens as text, the tokenizer makes no control id of a spelling."""
    made = tokenizer(tmp_path)
    assert [made.token_to_id(name)] == made.encode(name).ids
    made.encode_special_tokens = True
    ids = made.encode(name).ids
    assert not {made.token_to_id(control) for control in CONTROL} & set(ids)
    assert name == made.decode(ids, skip_special_tokens=False)


def test_unused_rows_have_no_token(tmp_path: Path) -> None:
    """Padding rows aren't in the vocabulary."""
    assert len(vocabulary()[0]) == tokenizer(tmp_path, unused=3).get_vocab_size()


def test_unknown_pre_tokenizer(tmp_path: Path) -> None:
    """A family whose word boundaries aren't known is refused by name, not guessed."""
    with pytest.raises(StoreError, match="deepseek-coder") as caught:
        tokenizer(tmp_path, "deepseek-coder")
    assert "qwen2, smollm" in caught.value.hint
