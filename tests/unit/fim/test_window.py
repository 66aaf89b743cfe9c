"""Windows that fit a budget and hardly move while someone types."""

from __future__ import annotations

from itertools import pairwise, takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fimls.fim import Tokenizer
from fimls.fim.window import prefix_window, suffix_window
from tests.fim_tokenizers import REPOSITORY, byte_tokenizer, trained_tokenizer

SOURCE = (REPOSITORY / "fimls" / "fim" / "tokenizer.py").read_text(encoding="utf-8")
TOKENIZERS = st.sampled_from([byte_tokenizer, trained_tokenizer]).map(lambda make: make())
TEXTS = st.lists(
    st.text()
    | st.sampled_from([SOURCE[:600], SOURCE[900:1000], "x" * 90, " " * 70, "🙂" * 20, "\r\n"]),
    max_size=8,
).map("".join)
BUDGETS = st.integers(1, 80)


def starts_while_typing(text: str, typed: str, max_tokens: int, tokenizer: Tokenizer) -> list[int]:
    """The window's start before the first and after each typed character."""
    return [
        prefix_window(text + typed[:count], max_tokens, tokenizer)
        for count in range(len(typed) + 1)
    ]


@given(TOKENIZERS, TEXTS, BUDGETS)
def test_a_prefix_keeps_its_budget(tokenizer: Tokenizer, text: str, max_tokens: int) -> None:
    """Whatever the text, down to a budget of one token."""
    start = prefix_window(text, max_tokens, tokenizer)
    assert 0 <= start <= len(text)
    assert len(tokenizer.encode(text[start:])) <= max_tokens


@given(TOKENIZERS, TEXTS, BUDGETS)
def test_a_suffix_keeps_its_budget(tokenizer: Tokenizer, text: str, max_tokens: int) -> None:
    """Whatever the text, down to a budget of one token."""
    end = suffix_window(text, max_tokens, tokenizer)
    assert 0 <= end <= len(text)
    assert len(tokenizer.encode(text[:end])) <= max_tokens


@given(TOKENIZERS, TEXTS)
def test_text_that_fits_is_shown_whole(tokenizer: Tokenizer, text: str) -> None:
    """A suffix to the token, a prefix with the tokens to spare that typing needs."""
    needed = len(tokenizer.encode(text))
    assert len(text) == suffix_window(text, max(1, needed), tokenizer)
    assert 0 == prefix_window(text, needed + 16, tokenizer)


@settings(max_examples=30)
@given(TOKENIZERS, TEXTS, st.integers(16, 40))
def test_windows_are_well_filled(tokenizer: Tokenizer, text: str, max_tokens: int) -> None:
    """Each shows a good part of what would fit, however many tokens its characters take."""
    start = prefix_window(text, max_tokens, tokenizer)
    end = suffix_window(text, max_tokens, tokenizer)
    if len(tokenizer.encode(text)) > max_tokens:
        assert len(text) - start >= longest(text, max_tokens * 3 // 4, -1, tokenizer) // 4
        assert end >= longest(text, max_tokens, 1, tokenizer) // 2


def longest(text: str, max_tokens: int, direction: int, tokenizer: Tokenizer) -> int:
    """How many characters from one end of ``text`` fit."""
    sizes = range(1, min(len(text), 8 * max_tokens) + 1)
    windows = (text[:size] if direction > 0 else text[-size:] for size in sizes)
    fitting = takewhile(lambda window: len(tokenizer.encode(window)) <= max_tokens, windows)
    return sum(1 for _ in fitting)


def test_a_prefix_starts_with_a_line() -> None:
    """Code has lines short enough to find one."""
    tokenizer = trained_tokenizer()
    starts = [prefix_window(SOURCE[:end], 200, tokenizer) for end in range(1500, 4000, 50)]
    assert {"\n"} == {SOURCE[start - 1] for start in starts}


def test_a_suffix_ends_with_a_line() -> None:
    """Code has lines short enough to find one."""
    ends = [suffix_window(SOURCE[start:], 100, trained_tokenizer()) for start in range(0, 2000, 50)]
    assert {"\n"} == {
        SOURCE[start + end - 1] for start, end in zip(range(0, 2000, 50), ends, strict=True)
    }


def test_a_line_end_at_the_cursor_is_no_start() -> None:
    """After a huge line the window holds its end, not nothing."""
    texts = ["x = [" + "1, " * count + "]\n" for count in range(500, 600)]
    shown = [len(text) - prefix_window(text, 100, trained_tokenizer()) for text in texts]
    assert min(shown) > 50


def test_a_huge_line_after_a_short_one_is_cut() -> None:
    """Ending with the short line would waste the budget."""
    text = ")\n" + "1, " * 2000
    assert suffix_window(text, 100, trained_tokenizer()) > 100


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        pytest.param(SOURCE[:3000], SOURCE[3000:3500], id="code"),
        pytest.param(SOURCE[:3000], SOURCE[3000:3500].replace("\n", " "), id="one line"),
        pytest.param("0123456789" * 20, "0123456789" * 30, id="dense"),
        pytest.param("🙂🙃" * 50, "🙂🙃" * 100, id="emoji"),
        pytest.param(" " * 600, " " * 400, id="spaces"),
    ],
)
def test_a_prefix_window_moves_in_big_steps(text: str, typed: str) -> None:
    """While someone types, its start moves forwards only, a quarter of a window at a time."""
    starts = starts_while_typing(text, typed, 64, trained_tokenizer())
    assert sorted(starts) == starts
    full = max(len(text) + count - start for count, start in enumerate(starts))
    moves = sum(1 for before, after in pairwise(starts) if before != after)
    assert 1 <= moves <= 1 + len(typed) // (full // 4)


@settings(max_examples=10)
@given(st.integers(0, 3000), st.integers(64, 256))
def test_typing_code_never_moves_the_start_back(at: int, max_tokens: int) -> None:
    """Tokens at the end merge while a word is typed; the start must not follow them."""
    starts = starts_while_typing(SOURCE[:at], SOURCE[at : at + 40], max_tokens, trained_tokenizer())
    assert sorted(starts) == starts


@pytest.mark.parametrize("max_tokens", [0, -1])
def test_no_budget_no_text(max_tokens: int) -> None:
    """Both windows are empty, and at the cursor."""
    assert 6 == prefix_window("x = 1\n", max_tokens, trained_tokenizer())
    assert 0 == suffix_window("x = 1\n", max_tokens, trained_tokenizer())


def test_a_window_never_begins_inside_a_character_of_many_tokens() -> None:
    """An emoji of four tokens is shown whole or not at all."""
    assert 1 == prefix_window("🙂🙂", 7, byte_tokenizer())
    assert 2 == prefix_window("🙂🙂", 3, byte_tokenizer())
    assert 1 == suffix_window("🙂🙂", 7, byte_tokenizer())
    assert 0 == suffix_window("🙂🙂", 3, byte_tokenizer())
