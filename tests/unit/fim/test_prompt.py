"""Prompts: their parts, budgets, stop tokens and errors."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fimls.fim import (
    FORMATS,
    Budget,
    Order,
    PromptBuilder,
    Tokenizer,
    build_prompt,
    encode_example,
)
from fimls.fim.prompt import IGNORED_LABEL
from fimls.types import CompletionContext, PartKind, Prompt, PromptError, PromptPart, Snippet
from tests.fim_tokenizers import REPOSITORY, byte_tokenizer, row_tokenizer, trained_tokenizer
from tests.growth import CONSTANT, TIMES, growth

QWEN = FORMATS["qwen2.5-coder"]
CONTEXT = CompletionContext(
    prefix="def area(self):\n    ret", suffix="\n\nprint()\n", path="a.py", language_id="python"
)


def builder_of(name: str = QWEN.name, **changes: object) -> PromptBuilder:
    """A builder of a row, in its first order, on a tokenizer of bytes."""
    row = FORMATS[name]
    order = changes.pop("order", row.default_order)
    return PromptBuilder(row, row_tokenizer(row), order=order, **changes)  # type: ignore[arg-type]


def render(context: CompletionContext, builder: PromptBuilder) -> str:
    """The whole prompt as text."""
    return builder.tokenizer.decode(build_prompt(context, builder).token_ids)


def texts(prompt: Prompt, tokenizer: Tokenizer) -> list[tuple[PartKind, str]]:
    """Each part and its text."""
    return [
        (part.kind, tokenizer.decode(prompt.token_ids[part.start : part.end]))
        for part in prompt.parts
    ]


def with_snippets(*snippets: Snippet, path: str = "a.py") -> CompletionContext:
    """Prefix P and suffix S, with other files."""
    return CompletionContext("P", "S", path, "python", snippets)


def test_parts_cover_the_prompt_in_order() -> None:
    """`fimls prompt` gives each its colour; the window's edges are the context's here."""
    builder = builder_of()
    prompt = build_prompt(with_snippets(Snippet("b.py", "B")), builder)
    assert [
        (PartKind.CONTROL, "<|file_sep|>"),
        (PartKind.PATH, "b.py\n"),
        (PartKind.SNIPPET, "B\n"),
        (PartKind.CONTROL, "<|file_sep|>"),
        (PartKind.PATH, "a.py\n"),
        (PartKind.CONTROL, "<|fim_prefix|>"),
        (PartKind.CONTROL, "<|fim_suffix|>"),
        (PartKind.SUFFIX, "S"),
        (PartKind.CONTROL, "<|fim_middle|>"),
    ] == texts(prompt, builder.tokenizer)
    assert ("P", 0, 1) == (prompt.healing, prompt.prefix_start, prompt.suffix_end)


def test_empty_parts_take_no_tokens() -> None:
    """An empty document is a prompt of control tokens alone."""
    prompt = build_prompt(CompletionContext("", ""), builder_of())
    assert (
        PromptPart(PartKind.CONTROL, 0, 1),
        PromptPart(PartKind.CONTROL, 1, 2),
        PromptPart(PartKind.CONTROL, 2, 3),
    ) == prompt.parts


def test_the_prompt_ends_before_the_last_piece() -> None:
    """What was cut is in `healing`, and generated again."""
    builder = builder_of()
    prompt = build_prompt(CONTEXT, builder)
    assert " ret" == prompt.healing
    assert builder.tokenizer.decode(prompt.token_ids).endswith("def area(self):\n   ")


def test_without_healing_the_prompt_ends_at_the_cursor() -> None:
    """For engines that can't constrain their first tokens."""
    builder = builder_of(healing=False)
    prompt = build_prompt(CONTEXT, builder)
    assert "" == prompt.healing
    assert builder.tokenizer.decode(prompt.token_ids).endswith("def area(self):\n    ret")


def test_windows_are_those_of_the_budget() -> None:
    """The prompt shows exactly the text between the edges it reports."""
    source = (REPOSITORY / "fimls" / "types.py").read_text(encoding="utf-8")
    tokenizer = trained_tokenizer()
    builder = PromptBuilder(QWEN, tokenizer, Budget(100, 50, 0), healing=False)
    prompt = build_prompt(CompletionContext(source[:4000], source[4000:]), builder)
    assert (PartKind.SUFFIX, source[4000:][: prompt.suffix_end]) == texts(prompt, tokenizer)[2]
    assert (PartKind.PREFIX, source[prompt.prefix_start : 4000]) == texts(prompt, tokenizer)[4]
    assert 0 < prompt.prefix_start < 4000
    assert 0 < prompt.suffix_end < len(source) - 4000


def test_no_suffix_budget() -> None:
    """The suffix's token stays: the layout is the one that was trained."""
    builder = builder_of(budget=Budget(suffix_tokens=0), healing=False)
    assert "<|fim_prefix|><|fim_suffix|><|fim_middle|>P" == render(with_snippets(), builder)


@pytest.mark.parametrize("budget", [Budget(prefix_tokens=0), Budget(8, -1), Budget(8, 8, -1)])
def test_impossible_budgets(budget: Budget) -> None:
    """An error that says which setting to raise, not an empty prompt."""
    with pytest.raises(PromptError, match="leaves no room") as caught:
        build_prompt(CONTEXT, builder_of(budget=budget))
    assert "prefix_tokens" in caught.value.hint


def test_the_best_snippets_are_kept() -> None:
    """They come least useful first; one that doesn't fit is left out whole."""
    snippets = (Snippet("1", "a" * 9), Snippet("2", "b" * 99), Snippet("3", "c"), Snippet("4", "d"))
    builder = builder_of("codestral", budget=Budget(snippet_tokens=24), healing=False)
    assert "<s># 1\n" not in render(with_snippets(*snippets), builder)
    assert "<s># 3\nc\n# 4\nd\n[SUFFIX]S[PREFIX]P" == render(with_snippets(*snippets), builder)


@pytest.mark.parametrize("name", FORMATS)
def test_snippets_keep_their_budget_to_the_token(name: str) -> None:
    """Their paths count, comment signs included; a budget of exactly their tokens is enough."""
    context = with_snippets(Snippet("b.py", "B"), Snippet("c.py", "\n\nC\n"))
    whole = build_prompt(context, builder_of(name, healing=False))
    parts = [part for part in whole.parts if part.kind in {PartKind.SNIPPET, PartKind.PATH}]
    own_path = 5 if len(parts) == 5 else 0
    needed = sum(part.end - part.start for part in parts) - own_path
    exact = builder_of(name, budget=Budget(snippet_tokens=needed), healing=False)
    short = builder_of(name, budget=Budget(snippet_tokens=needed - 1), healing=False)
    assert whole.token_ids == build_prompt(context, exact).token_ids
    assert 1 == [part.kind for part in build_prompt(context, short).parts].count(PartKind.SNIPPET)


def test_no_snippet_no_repository_part() -> None:
    """A file alone is the plain layout, in training as in serving."""
    builder = builder_of(budget=Budget(snippet_tokens=0), healing=False)
    context = with_snippets(Snippet("b.py", "B"))
    assert "<|fim_prefix|><|fim_suffix|>S<|fim_middle|>P" == render(context, builder)


def test_comments_are_the_language_s_own() -> None:
    """Where a family can't name files, a snippet's path is a comment before it."""
    context = CompletionContext("P", "S", "a.c", "c", (Snippet("b.h", "int b;"),))
    builder = builder_of("santacoder", healing=False)
    assert "// b.h\nint b;\n<fim-prefix>P<fim-suffix>S<fim-middle>" == render(context, builder)


def test_a_tokenizer_without_file_separators() -> None:
    """Repository tokens are optional: an early model of the family may lack them."""
    tokenizer = Tokenizer.of_bytes([*QWEN.layout_tokens, QWEN.end])
    builder = PromptBuilder(QWEN, tokenizer, healing=False)
    context = with_snippets(Snippet("b.py", "B"))
    assert "# b.py\nB\n<|fim_prefix|><|fim_suffix|>S<|fim_middle|>P" == render(context, builder)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("qwen2.5-coder", "<|file_sep|>b\nB\n<|file_sep|><|fim_prefix|>P<|fim_suffix|>S"),
        ("starcoder2", "<file_sep>b\nB\n<file_sep><fim_prefix>P<fim_suffix>S"),
        ("codegemma", "<bos>b\nB\n<|file_separator|><|fim_prefix|>P<|fim_suffix|>S"),
    ],
)
def test_a_file_without_a_path(name: str, expected: str) -> None:
    """An unsaved buffer has none: no empty line takes its place."""
    context = with_snippets(Snippet("b", "B"), path="")
    builder = builder_of(name, order=Order.PSM, healing=False)
    assert expected == render(context, builder).rpartition("<")[0]


def test_stop_tokens_are_all_control_ids_of_the_row() -> None:
    """None of them can be inside a middle; those that the tokenizer lacks are left out."""
    tokenizer = Tokenizer.of_bytes([*QWEN.layout_tokens, "<|endoftext|>", "<|im_end|>", "<other>"])
    builder = PromptBuilder(QWEN, tokenizer)
    assert {256, 257, 258, 259, 260} == builder.stop_token_ids
    assert builder.stop_token_ids == build_prompt(CONTEXT, builder).stop_token_ids


def test_control_ids_by_name() -> None:
    """As the manifest records them."""
    builder = builder_of("codestral")
    assert {"[SUFFIX]": 256, "[PREFIX]": 257, "</s>": 258, "<s>": 259} == builder.control_ids


def test_an_order_the_family_was_not_trained_in() -> None:
    """The error names the format and the order, its hint the one that works."""
    with pytest.raises(PromptError, match="deepseek-coder can't be served in spm") as caught:
        builder_of("deepseek-coder", order=Order.SPM)
    assert "'psm'" in caught.value.hint


def test_a_tokenizer_of_another_family() -> None:
    """The error names what is missing; a row that adds its tokens says how to get them."""
    with pytest.raises(PromptError, match=r"no \[pre\], \[post\], \[mid\], <\|im_end\|>") as caught:
        PromptBuilder(FORMATS["pre-post-mid"], row_tokenizer(QWEN.__class__("x", {}, "<e>")))
    assert "adapter" in caught.value.hint
    with pytest.raises(PromptError, match=r"no <\|fim_middle\|>, which") as caught:
        PromptBuilder(
            QWEN, Tokenizer.of_bytes(["<|fim_prefix|>", "<|fim_suffix|>", "<|endoftext|>"])
        )
    assert "family" in caught.value.hint


def test_a_missing_bos_or_stop_is_no_error() -> None:
    """They are left out: a tokenizer may have been stripped of them."""
    row = FORMATS["deepseek-coder"]
    builder = PromptBuilder(
        row, Tokenizer.of_bytes([*row.layout_tokens, row.end]), order=Order.PSM, healing=False
    )
    assert "<\uff5cfim▁begin\uff5c>P<\uff5cfim▁hole\uff5c>S<\uff5cfim▁end\uff5c>" == render(
        with_snippets(), builder
    )


def test_example() -> None:
    """The prompt, masked; then the healed text, the middle and the end token, learnt."""
    builder = builder_of()
    example = encode_example(CONTEXT, "urn 1", builder)
    prompt = build_prompt(CONTEXT, builder).token_ids
    target = (*b" return 1", builder.tokenizer.control_id("<|endoftext|>"))
    assert (*prompt, *target) == example.input_ids
    assert (*(IGNORED_LABEL,) * len(prompt), *target) == example.labels


def test_example_of_an_empty_middle() -> None:
    """The model learns to add nothing."""
    example = encode_example(CompletionContext("x\n", ""), "", builder_of())
    assert [builder_of().tokenizer.control_id("<|endoftext|>")] == [
        label for label in example.labels if label != IGNORED_LABEL
    ]


def test_literal_control_tokens_stay_text() -> None:
    """In the code, in a path and in a snippet."""
    text = "<|fim_middle|><|endoftext|><|file_sep|>"
    context = CompletionContext(text, text, text, "python", (Snippet(text, text),))
    prompt = build_prompt(context, PromptBuilder(QWEN, byte_tokenizer(), healing=False))
    control = [part.end - part.start for part in prompt.parts if part.kind is PartKind.CONTROL]
    assert [1] * 5 == control
    assert 5 == sum(1 for index in prompt.token_ids if index >= 256)


@pytest.mark.parametrize(
    "piece",
    [
        pytest.param("def f(x):\n    return x + 1\n\n\n", id="lines"),
        pytest.param("1, ", id="one line"),
        pytest.param("a", id="one word"),
        pytest.param(" ", id="spaces"),
    ],
)
def test_a_document_of_a_megabyte(piece: str) -> None:
    """Only what can be shown is looked at: the prompt costs what an eighth's does, and keeps its
    budget.
    """
    builder = PromptBuilder(QWEN, trained_tokenizer())

    def prompt_in(characters: int) -> Callable[[], Prompt]:
        text = piece * (characters // len(piece))
        context = CompletionContext(text, text)
        return lambda: build_prompt(context, builder)

    assert 256 < len(prompt_in(1_000_000)().token_ids) <= 512 + 256 + 3
    assert growth(prompt_in, 1_000_000 // TIMES) < CONSTANT
