"""Every row's prompt, as text."""

from __future__ import annotations

import pytest

from fimls.fim import FORMATS, Budget, Order, PromptBuilder, build_prompt, find_format
from fimls.types import CompletionContext, Snippet, UnknownModelError
from tests.fim_tokenizers import row_tokenizer

ALONE = CompletionContext(prefix="P", suffix="S", path="a.py", language_id="python")
WITH_FILES = CompletionContext(
    prefix="P",
    suffix="S",
    path="a.py",
    language_id="python",
    snippets=(Snippet("b.py", "B\n"), Snippet("c.py", "C")),
)

# format, order: the prompt of a file alone, and of the file with two snippets.
GOLDEN = {
    ("qwen2.5-coder", Order.SPM): (
        "<|fim_prefix|><|fim_suffix|>S<|fim_middle|>P",
        (
            "<|file_sep|>b.py\nB\n<|file_sep|>c.py\nC\n"
            "<|file_sep|>a.py\n<|fim_prefix|><|fim_suffix|>S<|fim_middle|>P"
        ),
    ),
    ("qwen2.5-coder", Order.PSM): (
        "<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>",
        (
            "<|file_sep|>b.py\nB\n<|file_sep|>c.py\nC\n"
            "<|file_sep|>a.py\n<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>"
        ),
    ),
    ("starcoder2", Order.PSM): (
        "<fim_prefix>P<fim_suffix>S<fim_middle>",
        (
            "<file_sep>b.py\nB\n<file_sep>c.py\nC\n"
            "<file_sep><fim_prefix>a.py\nP<fim_suffix>S<fim_middle>"
        ),
    ),
    ("starcoder2", Order.SPM): (
        "<fim_prefix><fim_suffix>S<fim_middle>P",
        (
            "<file_sep>b.py\nB\n<file_sep>c.py\nC\n"
            "<file_sep><fim_prefix><fim_suffix>S<fim_middle>a.py\nP"
        ),
    ),
    ("starcoder", Order.PSM): (
        "<fim_prefix>P<fim_suffix>S<fim_middle>",
        "# b.py\nB\n# c.py\nC\n<fim_prefix>P<fim_suffix>S<fim_middle>",
    ),
    ("starcoder", Order.SPM): (
        "<fim_prefix><fim_suffix>S<fim_middle>P",
        "# b.py\nB\n# c.py\nC\n<fim_prefix><fim_suffix>S<fim_middle>P",
    ),
    ("santacoder", Order.PSM): (
        "<fim-prefix>P<fim-suffix>S<fim-middle>",
        "# b.py\nB\n# c.py\nC\n<fim-prefix>P<fim-suffix>S<fim-middle>",
    ),
    ("santacoder", Order.SPM): (
        "<fim-prefix><fim-suffix>S<fim-middle>P",
        "# b.py\nB\n# c.py\nC\n<fim-prefix><fim-suffix>S<fim-middle>P",
    ),
    ("deepseek-coder", Order.PSM): (
        (
            "<\uff5cbegin▁of▁sentence\uff5c>"
            "<\uff5cfim▁begin\uff5c>P<\uff5cfim▁hole\uff5c>S<\uff5cfim▁end\uff5c>"
        ),
        (
            "<\uff5cbegin▁of▁sentence\uff5c># b.py\nB\n# c.py\nC\n"
            "<\uff5cfim▁begin\uff5c>P<\uff5cfim▁hole\uff5c>S<\uff5cfim▁end\uff5c>"
        ),
    ),
    ("codellama", Order.PSM): (
        "<s>▁<PRE>P▁<SUF>S▁<MID>",
        "<s># b.py\nB\n# c.py\nC\n▁<PRE>P▁<SUF>S▁<MID>",
    ),
    ("codellama", Order.SPM): (
        "<s>▁<PRE>▁<SUF>S▁<MID>P",
        "<s># b.py\nB\n# c.py\nC\n▁<PRE>▁<SUF>S▁<MID>P",
    ),
    ("codegemma", Order.PSM): (
        "<bos>a.py\n<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>",
        (
            "<bos>b.py\nB\n<|file_separator|>c.py\nC\n"
            "<|file_separator|>a.py\n<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>"
        ),
    ),
    ("codestral", Order.SPM): (
        "<s>[SUFFIX]S[PREFIX]P",
        "<s># b.py\nB\n# c.py\nC\n[SUFFIX]S[PREFIX]P",
    ),
    ("mellum", Order.SPM): (
        "<fim_suffix>S<fim_prefix>P<fim_middle>",
        (
            "<filename>b.py\nB\n<filename>c.py\nC\n"
            "<filename>a.py\n<fim_suffix>S<fim_prefix>P<fim_middle>"
        ),
    ),
    ("pre-post-mid", Order.SPM): (
        "[pre][post]S[mid]P",
        "<file_sep>b.py\nB\n<file_sep>c.py\nC\n<file_sep>a.py\n[pre][post]S[mid]P",
    ),
    ("pre-post-mid", Order.PSM): (
        "[pre]P[post]S[mid]",
        "<file_sep>b.py\nB\n<file_sep>c.py\nC\n<file_sep>a.py\n[pre]P[post]S[mid]",
    ),
}

ENDS = {
    "qwen2.5-coder": "<|endoftext|>",
    "starcoder2": "<|endoftext|>",
    "starcoder": "<|endoftext|>",
    "santacoder": "<|endoftext|>",
    "deepseek-coder": "<\uff5cend▁of▁sentence\uff5c>",
    "codellama": "▁<EOT>",
    "codegemma": "<|file_separator|>",
    "codestral": "</s>",
    "mellum": "<|endoftext|>",
    "pre-post-mid": "<|im_end|>",
}


def render(name: str, order: Order, context: CompletionContext) -> str:
    """The whole prompt as text."""
    row = FORMATS[name]
    tokenizer = row_tokenizer(row)
    builder = PromptBuilder(row, tokenizer, Budget(), order, healing=False)
    return tokenizer.decode(build_prompt(context, builder).token_ids)


def test_every_order_of_every_row_has_a_golden_prompt() -> None:
    """A row can't be added without its golden test."""
    expected = {(row.name, order) for row in FORMATS.values() for order in row.layouts}
    assert expected == set(GOLDEN)


@pytest.mark.parametrize(("name", "order"), GOLDEN)
def test_prompt_of_a_file_alone(name: str, order: Order) -> None:
    """The layout of the family's paper or model card."""
    assert GOLDEN[name, order][0] == render(name, order, ALONE)


@pytest.mark.parametrize(("name", "order"), GOLDEN)
def test_prompt_with_snippets(name: str, order: Order) -> None:
    """The family's repository-level layout, or commented paths where it has none."""
    assert GOLDEN[name, order][1] == render(name, order, WITH_FILES)


def test_end_tokens() -> None:
    """What ends a middle in each family."""
    assert ENDS == {row.name: row.end for row in FORMATS.values()}


def test_spm_is_the_default_where_it_was_measured_better() -> None:
    """Qwen and the row that is trained here begin with the suffix; others as they were trained."""
    expected = dict(reversed(GOLDEN))  # the first of each name wins
    assert expected == {row.name: row.default_order for row in FORMATS.values()}


def test_layout_tokens_are_listed_once() -> None:
    """Both orders use the same three tokens."""
    expected = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")
    assert expected == FORMATS["qwen2.5-coder"].layout_tokens


def test_only_the_last_row_adds_tokens() -> None:
    """All other families were trained with theirs."""
    assert ["pre-post-mid"] == [row.name for row in FORMATS.values() if row.adds_tokens]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("qwen2.5-coder", "qwen2.5-coder"),
        ("Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF", "qwen2.5-coder"),
        ("qwen2.5_coder_1.5b", "qwen2.5-coder"),
        ("bigcode/starcoder2-3b", "starcoder2"),
        ("bigcode/starcoderbase-1b", "starcoder"),
        ("Qwen/CodeQwen1.5-7B", "starcoder"),
        ("ibm-granite/granite-3b-code-base", "starcoder"),
        ("stabilityai/stable-code-3b", "starcoder"),
        ("bigcode/santacoder", "santacoder"),
        ("deepseek-ai/deepseek-coder-1.3b-base", "deepseek-coder"),
        ("codellama/CodeLlama-7b-hf", "codellama"),
        ("google/codegemma-2b", "codegemma"),
        ("mistralai/Codestral-22B-v0.1", "codestral"),
        ("JetBrains/Mellum-4b-base", "mellum"),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", "pre-post-mid"),
        ("pre-post-mid", "pre-post-mid"),
    ],
)
def test_find_format(model: str, expected: str) -> None:
    """Published models' names lead to their family."""
    assert expected == find_format(model).name


def test_the_longest_match_wins() -> None:
    """Whichever row is first."""
    assert "codellama" == find_format("granite-codellama-7b").name


def test_find_format_of_an_unknown_model() -> None:
    """The error names the model, and its hint every format."""
    with pytest.raises(UnknownModelError, match="'gpt-2'") as caught:
        find_format("gpt-2")
    assert all(name in caught.value.hint for name in FORMATS)
