"""Exact round trips, and no way from text to a control id."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fimls.fim import Tokenizer
from fimls.types import ModelError
from tests.fim_tokenizers import CONTROL_TOKENS, byte_tokenizer, trained_tokenizer

TOKENIZERS = st.sampled_from([byte_tokenizer, trained_tokenizer]).map(lambda make: make())
TEXTS = st.lists(st.text() | st.sampled_from(CONTROL_TOKENS), max_size=6).map("".join)


def sentence_piece(**changes: Any) -> dict[str, Any]:
    """A description as SentencePiece models are converted: U+2581 for spaces, bytes as fallback."""
    space = "\u2581"
    pieces = ["<unk>", "<s>", "</s>", "<", "s>", "a", "b", space, space * 2, "ab", f"{space}a"]
    pieces += ["s", ">"]
    pieces += [f"<0x{byte:02X}>" for byte in range(256)]
    return {
        "version": "1.0",
        "added_tokens": [
            {"id": 0, "content": "<unk>", "special": True},
            {"id": 1, "content": "<s>", "special": True},
            {"id": 2, "content": "</s>", "special": True},
            {"id": 8, "content": "\u2581\u2581", "special": False},
            {"id": 400, "content": "<PRE>", "special": False},
        ],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Prepend", "prepend": "\u2581"},
                {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
            ],
        },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [
                {"SpecialToken": {"id": "<s>", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
            ],
            "pair": [],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
        },
        "decoder": {"type": "ByteFallback"},
        "model": {
            "type": "BPE",
            "unk_token": "<unk>",
            "byte_fallback": True,
            "fuse_unk": True,
            "vocab": {piece: index for index, piece in enumerate(pieces)},
            "merges": ["s >", "< s>", "\u2581 \u2581", "a b", "\u2581 a"],
        },
        **changes,
    }


@given(TOKENIZERS, TEXTS)
def test_round_trip(tokenizer: Tokenizer, text: str) -> None:
    """Every text comes back as it was, whatever control tokens it spells."""
    assert text == tokenizer.decode(tokenizer.encode(text))


@given(TOKENIZERS, TEXTS)
def test_text_never_becomes_a_control_id(tokenizer: Tokenizer, text: str) -> None:
    """Not even where the text spells a control token."""
    assert set() == set(tokenizer.encode(text)) & set(tokenizer.control_tokens.values())


@given(TOKENIZERS, TEXTS)
def test_starts_of_tokens(tokenizer: Tokenizer, text: str) -> None:
    """The starts belong to the ids of encode, and text before a start is that of the ids before."""
    ids, starts = tokenizer.encode_with_starts(text)
    assert tokenizer.encode(text) == ids
    before = [len(tokenizer.decode(ids[:index]).rstrip("\ufffd")) for index in range(len(ids))]
    if "\ufffd" not in text:
        assert before == starts


@given(st.text(min_size=1), st.text())
def test_text_before_the_last_piece_is_settled(text: str, following: str) -> None:
    """What follows never changes the tokens before it (contractions apart)."""
    text, following = text.replace("'", '"'), following.replace("'", '"')
    start = trained_tokenizer().last_pre_token_start(text)
    settled = trained_tokenizer().encode(text[:start]) if start else []
    assert settled == trained_tokenizer().encode(text + following)[: len(settled)]


def test_last_piece_of_code() -> None:
    """It begins with the space before a word, as in the model's vocabulary."""
    expected = ["return", " None", "()", "   "]
    tokenizer = trained_tokenizer()
    texts = ["x = 1\nreturn", "return None", "f()", "x   "]
    starts = [tokenizer.last_pre_token_start(text) for text in texts]
    assert expected == [text[start:] for text, start in zip(texts, starts, strict=True)]


def test_a_text_of_one_piece_has_no_boundary() -> None:
    """Nor has an empty one."""
    assert (None, None) == (
        trained_tokenizer().last_pre_token_start("word"),
        trained_tokenizer().last_pre_token_start(""),
    )


@given(TOKENIZERS, TEXTS, st.lists(st.integers(1, 3)))
def test_streaming_gives_the_same_text(tokenizer: Tokenizer, text: str, chunks: list[int]) -> None:
    """However the ids arrive; a character is shown when its last byte is there."""
    ids, shown, stream = tokenizer.encode(text), "", tokenizer.stream()
    for size in chunks:
        shown += stream.push(ids[:size])
        ids = ids[size:]
        assert text.startswith(shown)
    assert text == shown + stream.push(ids) + stream.flush()


def test_streaming_ends_inside_a_character() -> None:
    """Its bytes show as U+FFFD, and only at the end."""
    stream = byte_tokenizer().stream()
    assert ("a", "\ufffd") == (stream.push([0x61, 0xF0, 0x9F]), stream.flush())


def test_ids_of_bytes() -> None:
    """Ids 0 to 255 are the bytes, control tokens follow in order."""
    tokenizer = Tokenizer.of_bytes(["<a>", "<b>"])
    assert list("é<a>".encode()) == tokenizer.encode("é<a>")
    assert {"<a>": 256, "<b>": 257} == tokenizer.control_tokens
    assert (257, None) == (tokenizer.control_id("<b>"), tokenizer.control_id("<c>"))
    assert 258 == tokenizer.vocab_size


def test_decoding_shows_control_tokens() -> None:
    """As `fimls prompt` prints them."""
    assert "a<b>" == Tokenizer.of_bytes(["<b>"]).decode([0x61, 256])


def test_bytes_of_ids() -> None:
    """A control id has its token's bytes, an id that the vocabulary leaves unused has none."""
    tokenizer = Tokenizer.of_bytes(["<a>"])
    assert [b"a", b"\xff", b"<a>", b""] == [
        tokenizer.token_bytes(index) for index in (0x61, 0xFF, 256, 257)
    ]


def test_normal_forms_are_kept() -> None:
    """A tokenizer that applies NFC would change the user's code."""
    description = {
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True},
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True},
        "model": {"type": "BPE", "vocab": {"e": 0, "Ì": 1, "ģ": 2}, "merges": []},
    }
    tokenizer = Tokenizer(description)
    assert [0, 1, 2] == tokenizer.encode("e\N{COMBINING ACUTE ACCENT}")


def test_sentence_piece_round_trip() -> None:
    """No space is prepended, no BOS added, bytes stand in for what the vocabulary lacks."""
    tokenizer = Tokenizer(sentence_piece())
    text = "ab  a \n\té🙂"
    assert text == tokenizer.decode(tokenizer.encode(text))
    assert [9] == tokenizer.encode("ab")


def test_sentence_piece_control_tokens() -> None:
    """`<s>` in source is text, even though the model's own merges would make it."""
    tokenizer = Tokenizer(sentence_piece())
    assert [3, 4] == tokenizer.encode("<s>")
    assert {"<unk>": 0, "<s>": 1, "</s>": 2, "<PRE>": 400} == tokenizer.control_tokens


def test_runs_of_spaces_are_no_control_tokens() -> None:
    """Gemma lists them as added tokens; indentation is made of them."""
    assert [8, 5] == Tokenizer(sentence_piece()).encode("  a")


def test_metaspace_prepends_nothing() -> None:
    """Whichever way a SentencePiece model was converted."""
    metaspace = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always"}
    for pre_tokenizer in (metaspace, {"type": "Sequence", "pretokenizers": [metaspace]}):
        description = sentence_piece(normalizer=None, pre_tokenizer=pre_tokenizer)
        assert [5, 10] == Tokenizer(description).encode("a a")


def test_with_added() -> None:
    """New control tokens follow the vocabulary's end in order; the old tokenizer is unchanged."""
    base = Tokenizer.of_bytes(["<end>"])
    tokenizer = base.with_added(["[pre]", "[post]", "[mid]"])
    assert {"<end>": 256, "[pre]": 257, "[post]": 258, "[mid]": 259} == tokenizer.control_tokens
    assert 260 == tokenizer.vocab_size
    assert ({"<end>": 256}, 257) == (base.control_tokens, base.vocab_size)
    assert "[mid]" == tokenizer.decode([259])
    assert b"" == base.token_bytes(259)


def test_with_added_keeps_literals_apart() -> None:
    """Source code that spells an added token is encoded as before."""
    base = Tokenizer.of_bytes([])
    assert base.encode("x[mid]") == base.with_added(["[mid]"]).encode("x[mid]")


def test_with_added_keeps_known_ids() -> None:
    """A token that is one already keeps its id, and none is added twice."""
    tokenizer = Tokenizer.of_bytes(["[mid]"]).with_added(["[pre]", "[mid]", "[pre]"])
    assert {"[mid]": 256, "[pre]": 257} == tokenizer.control_tokens
    assert 258 == tokenizer.vocab_size


def test_with_added_changes_the_hash() -> None:
    """An adapter for added tokens must not fit the base without them."""
    base = Tokenizer.of_bytes(["<end>"])
    hashes = [base.sha256, base.with_added(["[pre]"]).sha256, base.with_added(["[post]"]).sha256]
    assert 3 == len(set(hashes))
    assert hashes[0] == base.with_added([]).sha256


def test_hash_is_of_the_token_table() -> None:
    """Equal for tables that are equal however they came about, and the same in every process."""
    expected = "3650210088758bc70ecd5273c06c2050cc5dfb230fceecd7bdbd3d8adca14e13"
    assert expected == Tokenizer.of_bytes(["<a>", "<b>"]).sha256
    assert expected == Tokenizer.of_bytes(["<a>"]).with_added(["<b>"]).sha256
    assert expected != Tokenizer.of_bytes(["<b>", "<a>"]).sha256


def test_from_file(tmp_path: Path) -> None:
    """A `tokenizer.json` is read as UTF-8."""
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(sentence_piece(), ensure_ascii=False), encoding="utf-8")
    assert Tokenizer(sentence_piece()).sha256 == Tokenizer.from_file(path).sha256


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b'{"model": null}',
        b'{"model": {"type": "BPE"}}',
        b'{"model": {"type": "BPE", "vocab": {}, "merges": []}}',
        b'{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}}',
        b'{"added_tokens": [{"id": 1}], "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}',
        b'{"model": {"type": "Unigram", "vocab": []}}',
    ],
)
def test_damaged_files(tmp_path: Path, content: bytes) -> None:
    """An error that fimls explains, never one of the libraries."""
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        Tokenizer.from_file(path)
    assert "" != caught.value.hint


def test_missing_file(tmp_path: Path) -> None:
    """The message names the file, the hint the way to fetch it."""
    with pytest.raises(ModelError, match=r"no-such\.json") as caught:
        Tokenizer.from_file(tmp_path / "no-such.json")
    assert "fimls pull" in caught.value.hint


def test_other_kinds_are_refused() -> None:
    """The message names the kind found and the kind that works."""
    with pytest.raises(ModelError, match=r"Unigram.*only BPE"):
        Tokenizer({"model": {"type": "Unigram", "vocab": []}})
