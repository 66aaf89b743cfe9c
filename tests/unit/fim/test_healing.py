"""Where a prompt's end is cut, and how the healed text leaves a generation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fimls.fim import HealingFilter, Tokenizer
from fimls.fim.healing import MAX_HEALED_CHARS, split_for_healing
from tests.fim_tokenizers import byte_tokenizer, trained_tokenizer

TOKENIZERS = st.sampled_from([byte_tokenizer, trained_tokenizer]).map(lambda make: make())
CODE = st.lists(
    st.text()
    | st.sampled_from(
        ["\n", "\r", "\r\n", "    ", "\t", "return", "self.", "x1", "()", "変数", "🙂"]
    )
).map("".join)


@pytest.mark.parametrize(
    ("prefix", "healing"),
    [
        ("", ""),
        ("x = 1\n", ""),
        ("x = 1\r\n", ""),
        ("x = 1\r", ""),
        ("ret", "ret"),
        ("x = 1\nret", "ret"),
        ("x = 1\r    ", "    "),
        ("    return", " return"),
        ("x = compute_area", "_area"),
        ("math.", "."),
        ("f(a, b", " b"),
        ("x = 12", "2"),
        ("x = ", " "),
        ("x =", " ="),
        ("if x:\n    ", "    "),
        ("if x:\n" + " " * 40, " " * 40),
        ("\t\tif", "\tif"),
        ("print('naïve", "naïve"),
        ("# привет ми", " ми"),
        ("# 変数を返", " 変数を返"),
        ("s = '🙂", " '🙂"),
        ("s = 'e\N{COMBINING ACUTE ACCENT}", "\N{COMBINING ACUTE ACCENT}"),
    ],
)
def test_what_is_cut(prefix: str, healing: str) -> None:
    """The last piece of code that following text could change, from the last line alone."""
    assert (prefix.removesuffix(healing), healing) == split_for_healing(prefix, trained_tokenizer())


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_indentation_is_cut_after_the_line_end(line_end: str) -> None:
    """Even where the tokenizer, like GPT-2's, has both in one piece."""
    prefix = f"if x:{line_end}    "
    assert (f"if x:{line_end}", "    ") == split_for_healing(prefix, byte_tokenizer())


@given(TOKENIZERS, CODE)
def test_nothing_is_lost(tokenizer: Tokenizer, prefix: str) -> None:
    """What stays and what was cut are the prefix."""
    assert prefix == "".join(split_for_healing(prefix, tokenizer))


@given(TOKENIZERS, CODE)
def test_a_cut_stays_in_its_line(tokenizer: Tokenizer, prefix: str) -> None:
    """No line end is generated again, of whichever kind."""
    healing = split_for_healing(prefix, tokenizer)[1]
    assert set() == set(healing) & {"\n", "\r"}


@given(TOKENIZERS, CODE)
def test_a_cut_is_short(tokenizer: Tokenizer, prefix: str) -> None:
    """Each of its tokens costs a decoding step; only white space is few tokens at any length."""
    healing = split_for_healing(prefix, tokenizer)[1]
    assert len(healing) <= MAX_HEALED_CHARS or healing.isspace()


def test_long_words_are_not_cut() -> None:
    """Generating them again would take longer than it helps."""
    word = "a" * (MAX_HEALED_CHARS - 1)
    assert ("x =", f" {word}") == split_for_healing(f"x = {word}", trained_tokenizer())
    assert (f"x = {word}a", "") == split_for_healing(f"x = {word}a", trained_tokenizer())


def test_a_nul_is_not_cut() -> None:
    """No engine's grammar takes a NUL, so nothing that holds one has to be generated again."""
    assert ("x = 'a\0", "") == split_for_healing("x = 'a\0", trained_tokenizer())


def test_a_tokenizer_that_never_splits() -> None:
    """SentencePiece merges across words: a short line is cut whole, a long one at a token."""
    spaces = {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}
    pieces = ["a", "b", "\u2581", "\n", "ab", "\u2581ab"]
    tokenizer = Tokenizer(
        {
            "normalizer": spaces,
            "model": {
                "type": "BPE",
                "vocab": {piece: index for index, piece in enumerate(pieces)},
                "merges": ["a b", "\u2581 ab"],
            },
        }
    )
    assert ("ab\n", "a ab") == split_for_healing("ab\na ab", tokenizer)
    assert ("ab\n" + " ab" * 9, " ab") == split_for_healing("ab\n" + " ab" * 10, tokenizer)


def test_a_huge_line_costs_little() -> None:
    """Only its end is looked at."""
    line = "word " * 200_000 + "wo"
    assert (line[:-3], " wo") == split_for_healing(line, trained_tokenizer())


@given(st.text(max_size=8), st.text(), st.lists(st.integers(0, 4)))
def test_filter_takes_the_healed_text_off(healing: str, text: str, chunks: list[int]) -> None:
    """However the generation is cut into pieces."""
    generation, shown, healed = healing + text, "", HealingFilter(healing)
    for size in chunks:
        shown += healed.push(generation[:size])
        generation = generation[size:]
        assert healed.complete == (len(generation) <= len(text))
    assert text == shown + healed.push(generation)
    assert healed.complete


@pytest.mark.parametrize("pieces", [["x"], ["re", "x"], ["rex"], ["r", "etuX"]])
def test_filter_refuses_another_text(pieces: list[str]) -> None:
    """Showing it would duplicate or lose characters."""
    healed = HealingFilter("return")
    *right, wrong = pieces
    assert [""] * len(right) == [healed.push(piece) for piece in right]
    with pytest.raises(ValueError, match="does not begin with the healed text"):
        healed.push(wrong)
