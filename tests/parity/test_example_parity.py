"""What is trained on is what is served: properties of every format, for any code and any cursor."""

from __future__ import annotations

from itertools import pairwise, takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fimls.fim import (
    FORMATS,
    Budget,
    FimFormat,
    Order,
    PromptBuilder,
    TokenizedExample,
    Tokenizer,
    build_prompt,
    encode_example,
)
from fimls.fim.prompt import IGNORED_LABEL
from fimls.store import PreparedModel
from fimls.types import CompletionContext, PartKind, Prompt, Snippet
from tests.fim_tokenizers import CONTROL_TOKENS, REPOSITORY, byte_tokenizer, trained_tokenizer

LAYOUTS = [(row, order) for row in FORMATS.values() for order in row.layouts]

FRAGMENTS = st.one_of(
    st.sampled_from(CONTROL_TOKENS),
    st.sampled_from(
        [
            "def f(x):",
            "return self.value",
            "\n",
            "\r\n",
            "\r",
            "\n    ",
            "\t",
            "  ",
            " ",
            '"""',
            "==",
        ]
    ),
    st.sampled_from(
        ["naïve", "e\N{COMBINING ACUTE ACCENT}", "変数", "🙂", "👩‍👧", "\f", "\u2028", "\0"]
    ),
    st.text(max_size=12),
)
CODE = st.lists(FRAGMENTS, max_size=24).map("".join)
SNIPPETS = st.lists(st.builds(Snippet, path=CODE, text=CODE), max_size=3).map(tuple)
LANGUAGES = st.sampled_from(["python", "c", "", "nonsense"])


@st.composite
def builders(draw: st.DrawFn) -> PromptBuilder:
    """Any format, order, tokenizer and small budget, with and without healing."""
    row, order = draw(st.sampled_from(LAYOUTS))
    tokenizer = draw(st.sampled_from([byte_tokenizer, trained_tokenizer]))()
    budget = Budget(draw(st.integers(1, 60)), draw(st.integers(0, 40)), draw(st.integers(0, 60)))
    return PromptBuilder(row, tokenizer, budget, order, draw(st.booleans()))


@st.composite
def cases(draw: st.DrawFn) -> tuple[CompletionContext, str]:
    """A file cut at two places: the context around the middle, and the middle."""
    code = draw(CODE)
    start, end = sorted((draw(st.integers(0, len(code))), draw(st.integers(0, len(code)))))
    context = CompletionContext(
        prefix=code[:start],
        suffix=code[end:],
        path=draw(CODE),
        language_id=draw(LANGUAGES),
        snippets=draw(SNIPPETS),
    )
    return context, code[start:end]


def ids_of(prompt: Prompt, kind: PartKind) -> list[int]:
    """The ids of the parts of one kind."""
    return [
        index
        for part in prompt.parts
        if part.kind is kind
        for index in prompt.token_ids[part.start : part.end]
    ]


def text_of(prompt: Prompt, kind: PartKind, tokenizer: Tokenizer) -> str:
    """The text of the parts of one kind."""
    return tokenizer.decode(ids_of(prompt, kind))


def target_of(example: TokenizedExample) -> list[int]:
    """What the loss falls on."""
    return [label for label in example.labels if label != IGNORED_LABEL]


@given(cases(), builders())
def test_an_example_begins_with_its_prompt(
    case: tuple[CompletionContext, str], builder: PromptBuilder
) -> None:
    """The very ids that serving would send for the same cursor, and they don't see the middle."""
    context, middle = case
    prompt = build_prompt(context, builder).token_ids
    assert prompt == encode_example(context, middle, builder).input_ids[: len(prompt)]


@given(cases(), builders())
def test_loss_falls_on_the_middle_alone(
    case: tuple[CompletionContext, str], builder: PromptBuilder
) -> None:
    """Labels mask exactly the prompt, and repeat the ids after it."""
    context, middle = case
    prompt, example = build_prompt(context, builder), encode_example(context, middle, builder)
    length = len(prompt.token_ids)
    assert (IGNORED_LABEL,) * length == example.labels[:length]
    assert example.input_ids[length:] == example.labels[length:]
    assert len(example.input_ids) == len(example.labels)


@given(cases(), builders())
def test_the_target_is_the_healed_text_the_middle_and_the_end(
    case: tuple[CompletionContext, str], builder: PromptBuilder
) -> None:
    """Decoded, nothing is lost or doubled at the cursor."""
    context, middle = case
    *target, end = target_of(encode_example(context, middle, builder))
    healing = build_prompt(context, builder).healing
    assert healing + middle == builder.tokenizer.decode(target)
    assert builder.tokenizer.control_id(builder.format.end) == end


@given(cases(), builders())
def test_the_prompt_shows_the_windows(
    case: tuple[CompletionContext, str], builder: PromptBuilder
) -> None:
    """Its prefix and the healed text are the window of the prefix; likewise the suffix."""
    context, _ = case
    prompt = build_prompt(context, builder)
    prefix = text_of(prompt, PartKind.PREFIX, builder.tokenizer)
    assert context.prefix[prompt.prefix_start :] == prefix + prompt.healing
    suffix = text_of(prompt, PartKind.SUFFIX, builder.tokenizer)
    assert context.suffix[: prompt.suffix_end] == suffix


@given(cases(), builders())
def test_parts_cover_the_prompt(
    case: tuple[CompletionContext, str], builder: PromptBuilder
) -> None:
    """Without gaps, in order."""
    prompt = build_prompt(case[0], builder)
    edges = [part.start for part in prompt.parts] + [len(prompt.token_ids)]
    assert [0, *(part.end for part in prompt.parts)] == edges


@given(cases(), builders())
def test_control_ids_are_those_of_the_layout(
    case: tuple[CompletionContext, str], builder: PromptBuilder
) -> None:
    """Each exactly once, whatever the source spells; separators once for each file."""
    prompt, row = build_prompt(case[0], builder), builder.format
    files = [part.kind for part in prompt.parts].count(PartKind.SNIPPET)
    expected = {token: 1 for token in builder.layout if isinstance(token, str)}
    if row.bos:
        expected[row.bos] = 1
    if files and row.file:
        expected[row.file] = files if row.name == "codegemma" else files + 1
    control = set(builder.tokenizer.control_tokens.values())
    found = [index for index in prompt.token_ids if index in control]
    assert ids_of(prompt, PartKind.CONTROL) == found
    names = map(builder.tokenizer.decode, ([index] for index in found))
    assert sorted(token for token, count in expected.items() for _ in range(count)) == sorted(names)


@given(cases(), builders())
def test_the_target_holds_no_control_id_but_its_end(
    case: tuple[CompletionContext, str], builder: PromptBuilder
) -> None:
    """A middle that spells a control token must not teach the model to emit one."""
    *target, _ = target_of(encode_example(*case, builder))
    assert set() == set(target) & set(builder.tokenizer.control_tokens.values())


@given(cases(), builders())
def test_budgets_are_never_exceeded(
    case: tuple[CompletionContext, str], builder: PromptBuilder
) -> None:
    """Counted in the prompt's own tokens."""
    prompt, budget = build_prompt(case[0], builder), builder.budget
    assert len(ids_of(prompt, PartKind.PREFIX)) <= budget.prefix_tokens
    assert len(ids_of(prompt, PartKind.SUFFIX)) <= budget.suffix_tokens
    assert len(ids_of(prompt, PartKind.SNIPPET)) <= budget.snippet_tokens


@given(cases(), CODE, builders())
def test_the_suffix_window_ignores_the_prefix(
    case: tuple[CompletionContext, str], other: str, builder: PromptBuilder
) -> None:
    """In SPM it comes before the prefix: a window that moved would undo all reuse."""
    context, _ = case
    typed = CompletionContext(
        context.prefix + other,
        context.suffix,
        context.path,
        context.language_id,
        context.snippets,
    )
    prompts = build_prompt(context, builder), build_prompt(typed, builder)
    assert ids_of(prompts[0], PartKind.SUFFIX) == ids_of(prompts[1], PartKind.SUFFIX)


@given(cases(), builders())
def test_a_prompt_depends_on_its_context_alone(
    case: tuple[CompletionContext, str], builder: PromptBuilder
) -> None:
    """Twice the same call gives the same prompt, of every other call between them."""
    context, middle = case
    first = build_prompt(context, builder)
    encode_example(CompletionContext(middle, context.prefix), context.suffix, builder)
    assert first == build_prompt(context, builder)


@pytest.mark.parametrize("tokens", [0, 64])
def test_control_tokens_of_every_family_at_once(tokens: int) -> None:
    """A file that lists all of them, as this table's own source does, becomes none of them."""
    source = (REPOSITORY / "fimls" / "fim" / "formats.py").read_text(encoding="utf-8")
    for row, order in LAYOUTS:
        builder = PromptBuilder(row, trained_tokenizer(), Budget(4000, 4000, tokens), order)
        prompt = build_prompt(CompletionContext(source, source, "a.py", "python"), builder)
        expected = [token for token in builder.layout if isinstance(token, str)]
        bos = [row.bos] if row.bos else []
        assert bos + expected == [
            builder.tokenizer.decode([index]) for index in ids_of(prompt, PartKind.CONTROL)
        ]


def reuse_while_typing(builder: PromptBuilder, source: str, start: int, count: int) -> list[float]:
    """The share of each prompt's tokens that the prompt of a character before began with."""
    suffix = source[start + 40 :]
    prompts = [
        build_prompt(CompletionContext(source[:at], suffix, "a.py"), builder).token_ids
        for at in range(start, start + count + 1)
    ]
    return [
        sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False)))
        / len(after)
        for before, after in pairwise(prompts)
    ]


def assert_reuse(row: FimFormat, tokenizer: Tokenizer) -> None:
    """Type 60 characters of a real file, one at a time."""
    builder = PromptBuilder(row, tokenizer, Budget(), Order.SPM)
    for name in ("completer/pipeline.py", "types.py"):
        source = (REPOSITORY / "fimls" / name).read_text(encoding="utf-8")
        reuse = sorted(reuse_while_typing(builder, source, len(source) * 2 // 3, 60))
        # One keystroke in 60 may move the window's start; the suffix in front is kept then.
        assert reuse[1] >= 0.9
        assert reuse[0] >= 0.25


@pytest.mark.parametrize("name", ["qwen2.5-coder", "mellum"])
def test_typing_keeps_nine_tenths_of_a_prompt(name: str) -> None:
    """Suffix first: a typed character leaves almost all tokens where they were.

    The two layouts differ in what follows the prefix: nothing, or a control token.
    """
    assert_reuse(FORMATS[name], trained_tokenizer())


@pytest.mark.weights
def test_typing_keeps_nine_tenths_of_the_default_model_s_prompt(
    default_model: PreparedModel,
) -> None:
    """The same with the tokenizer that is shipped."""
    assert_reuse(FORMATS["qwen2.5-coder"], Tokenizer.from_file(default_model.tokenizer))
