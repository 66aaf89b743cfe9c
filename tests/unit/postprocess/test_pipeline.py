"""All steps together: the order, the trace, when to stop, and what holds for any text."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fimls import postprocess
from fimls.completer.asking import may_complete_here
from fimls.completer.presenting import rank
from fimls.postprocess import STEPS
from fimls.postprocess.pipeline import cut_control_tokens
from fimls.types import CompletionContext, FinishReason, Generation, Mode
from tests.growth import CONSTANT, LINEAR, growth
from tests.unit.postprocess.cursor import context, process


@pytest.mark.parametrize(
    ("code", "text", "mode", "expected", "reason"),
    [
        ("x = ¦\n", "1\ny = 2\n", Mode.SINGLE, "1", None),
        ("x = ¦\n", "1\r\ny = 2\r\n", Mode.SINGLE, "1", None),
        ("x = ¦\n", "", Mode.SINGLE, "", "empty"),
        ("x = ¦\n", " \n\t", Mode.MULTI, "", "empty"),
        ("x = ¦\n", "\n1", Mode.SINGLE, "", "single line"),
        ("print(¦)\n", ")", Mode.SINGLE, "", "repeats the text after the cursor"),
        ("a()\n¦\nprint(a)\n", "print(a)", Mode.SINGLE, "", "repeats the lines below"),
        ("print(a)\n¦\n", "print(a)", Mode.SINGLE, "", "repeats the lines above"),
        ("print(a¦)\n", ";", Mode.SINGLE, "", "not worth it"),
        ("¦\n", "```python\nx", Mode.MULTI, "", "prose"),
        ("def f():\n    ¦\n", "a = 1\n    return a\nb", Mode.MULTI, "a = 1\n    return a", None),
        ("def f():\n    ¦\n", "# sum\n    return a\nb", Mode.SINGLE, "# sum\n    return a", None),
    ],
)
def test_process(code: str, text: str, mode: Mode, expected: str, reason: str | None) -> None:
    """The steps run in order, and an emptied text names the step that emptied it."""
    processed = process(text, code, mode=mode)
    assert (expected, reason) == (processed.text, processed.suppressed)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + b", "a + b"),
        ("a + b<|endoftext|>rest", "a + b"),
        ("<|fim_middle|>", ""),
        ("x<|im_end|>y<|endoftext|>", "x"),
        ("if a < b | c > d", "if a < b | c > d"),
    ],
)
def test_cut_control_tokens(text: str, expected: str) -> None:
    """The text ends before its first control token."""
    tokens = ("<|endoftext|>", "<|fim_middle|>", "<|im_end|>")
    assert expected == cut_control_tokens(text, tokens)


def test_process_cuts_control_tokens() -> None:
    """Control tokens that an engine let through are cut before every other step."""
    generation = Generation((), "1<|endoftext|>junk", (), FinishReason.STOP)
    processed = postprocess.process(
        generation, context("x = ¦", Mode.SINGLE), control_tokens=["<|endoftext|>"]
    )
    assert "1" == processed.text
    assert (("control tokens", "1"),) == processed.trace


def test_process_traces_changes_only() -> None:
    """The trace names each step that changed the text, with what it left."""
    trace = process("1 \n2", "x = ¦", mode=Mode.SINGLE).trace
    assert (("single line", "1 "), ("blank end", "1")) == trace


def test_process_without_a_step() -> None:
    """A step that is left out changes nothing and is not in the trace."""
    generation = Generation((), "1 \n2", (), FinishReason.STOP)
    processed = postprocess.process(
        generation, context("x = ¦", Mode.SINGLE), without={"blank end"}
    )
    assert ("1 ", (("single line", "1 "),)) == (processed.text, processed.trace)


def test_process_drops_the_unfinished_line() -> None:
    """A multi-line generation that ran out of tokens is shown up to its last whole line."""
    processed = process("a()\n    b(", "def f():\n    ¦\n", reason=FinishReason.LENGTH)
    assert "a()" == processed.text


def test_step_names() -> None:
    """A reason tells which step it was, in either mode."""
    for steps in STEPS.values():
        names = [step.name for step in steps]
        assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize(
    ("code", "text", "mode", "expected"),
    [
        ("x = ¦\n", "1", Mode.SINGLE, False),
        ("x = ¦\n", "1\n", Mode.SINGLE, True),
        ("def f():\n    ¦\n", "# sum\n", Mode.SINGLE, False),
        ("def f():\n    ¦\n", "# sum\n    return a\n", Mode.SINGLE, True),
        ("def f():\n    ¦\n", "a()\n    b()\n", Mode.MULTI, False),
        ("def f():\n    ¦\n", "a()\n    b()\nc", Mode.MULTI, True),
        ("def f():\n    ¦\n    g(a)\n", "a = 1\n    g(a)", Mode.MULTI, False),
        ("def f():\n    ¦\n    total(a)\n", "a = 1\n    total(a)\n", Mode.MULTI, True),
        ("{\n  ¦\n}\n", "a()\n}", Mode.MULTI, False),
        ("{\n  ¦\n}\n", "a()\n}\n", Mode.MULTI, True),
        ("f(¦)\ng(a)\n", "a)\n", Mode.MULTI, False),
        ("f(¦)\ng(a)\n", "a)\ng(a)\n", Mode.MULTI, True),
        ("¦\n", "total()\n" * 2, Mode.MULTI, False),
        ("¦\n", "total()\n" * 3, Mode.MULTI, True),
        ("¦\n", "x\n```", Mode.MULTI, True),
    ],
)
def test_is_complete(code: str, text: str, mode: Mode, *, expected: bool) -> None:
    """Generating may stop once whatever came next would be cut off."""
    assert expected == postprocess.is_complete(text, context(code, mode))


# Code in small: lines and pieces that the steps look at, so that they often meet.
PIECES = st.sampled_from(
    [
        *("return total", "total", "x = 1", "else:", "}", ")", "(", "{", "},", "f(x)", '"', "é🙂"),
        *("\n", "\n", "\r\n", "\r", "    ", "  ", "\t", " ", "\f", "\N{LINE SEPARATOR}", "e", "#"),
        *("if x:\n    ", "```", "'''", "\\", "y = 2"),
    ]
)
CODE = st.lists(PIECES, max_size=14).map("".join)
# Closing brackets that were added, each perhaps on a line of its own.
_CLOSERS = re.compile(r"(?:(?:\r\n?|\n)?[)\]}])+\Z")
# So few lines that completion and suffix often share some.
LINES = st.lists(
    st.sampled_from(["return total\n", "return tot", "x\n", "  x\n", "}\n", "total(x)\n"]),
    max_size=6,
).map("".join)
LANGUAGES = st.sampled_from(["python", "javascript", "go", "rust", "c", "markdown", ""])


@given(
    text=st.text(),
    prefix=st.text(),
    suffix=st.text(),
    language_id=LANGUAGES,
    reason=st.sampled_from(FinishReason),
)
@pytest.mark.parametrize("mode", list(Mode))
def test_never_raises(
    mode: Mode, text: str, prefix: str, suffix: str, language_id: str, reason: FinishReason
) -> None:
    """Any text in any context gives a text, or a reason for none."""
    where = CompletionContext(prefix, suffix, language_id=language_id, mode=mode)
    generation = Generation((), text, (), reason)
    processed = postprocess.process(generation, where, control_tokens=["<|end|>"])
    assert (processed.suppressed is None) == bool(processed.text.strip())
    may_complete_here(where)
    assert rank([(generation, processed)], where) in ([], [0])


@given(
    text=CODE,
    prefix=CODE,
    suffix=CODE,
    language_id=LANGUAGES,
    reason=st.sampled_from(FinishReason),
)
@pytest.mark.parametrize("mode", list(Mode))
def test_shows_only_what_was_generated(
    mode: Mode, text: str, prefix: str, suffix: str, language_id: str, reason: FinishReason
) -> None:
    """Steps cut; they change indentation, and add brackets and a line break at the end: no more."""
    where = CompletionContext(prefix, suffix, language_id=language_id, mode=mode)
    shown = postprocess.process(Generation((), text, (), reason), where).text
    generated, kept = ("".join(each.split(" ")).replace("\t", "") for each in (text, shown))
    kept = kept.removesuffix("\n")
    assert generated.startswith((kept, _CLOSERS.sub("", kept)))


@given(
    text=CODE | LINES,
    more=CODE | LINES,
    prefix=CODE | st.sampled_from(["  f(a)\n", "if a:\n    if b:\n        "]),
    suffix=CODE | LINES.map("\n".__add__),
    language_id=LANGUAGES,
)
@pytest.mark.parametrize("mode", list(Mode))
@settings(max_examples=400)
def test_is_complete_agrees_with_process(
    mode: Mode, text: str, more: str, prefix: str, suffix: str, language_id: str
) -> None:
    """Text that is complete gives the same completion whatever is generated after it."""
    where = CompletionContext(prefix, suffix, language_id=language_id, mode=mode)
    shown = [
        postprocess.process(Generation((), written, (), FinishReason.STOP), where).text
        for written in (text, text + more)
    ]
    assert shown[0] == shown[1] or not postprocess.is_complete(text, where)


@given(text=CODE, prefix=CODE, suffix=CODE)
def test_inside_a_line_one_line_is_shown(text: str, prefix: str, suffix: str) -> None:
    """Single-line mode never shows a line break after text that was typed on the line."""
    where = CompletionContext(prefix + "x", suffix, language_id="python", mode=Mode.SINGLE)
    shown = postprocess.process(Generation((), text, (), FinishReason.STOP), where).text
    assert {"\r", "\n"}.isdisjoint(shown)


FUNCTION = "def f{0}(a, b):\n    total = (a + b) * {0}\n    if total:\n        return [total]\n\n\n"


def _process(text: str, where: CompletionContext) -> object:
    return postprocess.process(Generation((), text, (), FinishReason.LENGTH), where)


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("step", [_process, postprocess.is_complete])
def test_cost_is_bounded(step: Callable[[str, CompletionContext], object], mode: Mode) -> None:
    """What a completion costs, and a token's check, grows with its text and not with the
    document's.
    """

    def cost(lines: int, functions: int) -> Callable[[], object]:
        code = "".join(FUNCTION.format(n) for n in range(functions))
        where = CompletionContext(
            code + "def f(a):\n    ", "\n\n\n" + code, language_id="python", mode=mode
        )
        text = "".join(f"    x{n} = f(a, {n})\n" for n in range(lines))[4:]
        return lambda: step(text, where)

    assert growth(lambda lines: cost(lines, 100), 56) < LINEAR
    assert growth(lambda functions: cost(20, functions), 600) < CONSTANT
