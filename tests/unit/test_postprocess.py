"""Each step by name, on several languages; then the properties that hold for any text."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fimls import postprocess
from fimls.postprocess import Draft
from fimls.types import CompletionContext, FinishReason, Generation, Mode


def context(code: str, mode: Mode = Mode.MULTI) -> CompletionContext:
    """Make a context from code with the cursor at the first ``¦``."""
    prefix, _, suffix = code.partition("¦")
    return CompletionContext(prefix, suffix, mode=mode)


def draft(text: str, code: str, reason: FinishReason = FinishReason.STOP) -> Draft:
    """What a step gets for ``text`` generated at the cursor of ``code``."""
    return Draft(text, context(code), reason)


def process(
    text: str, code: str, mode: Mode, reason: FinishReason = FinishReason.STOP
) -> postprocess.Processed:
    """Run all steps on ``text`` generated at the cursor of ``code``."""
    generation = Generation(token_ids=(), text=text, logprobs=(), finish_reason=reason)
    return postprocess.process(generation, context(code, mode))


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
    """The text ends in front of its first control token."""
    tokens = ("<|endoftext|>", "<|fim_middle|>", "<|im_end|>")
    assert expected == postprocess.cut_control_tokens(text, tokens)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + b", "a + b"),
        ("a + b\n\nprint()", "a + b"),
        ("a + b\r\nprint()", "a + b"),
        ("a + b\rprint()", "a + b"),
        ("\n    return 1", ""),
        ("'\f' + '\N{LINE SEPARATOR}'\nx", "'\f' + '\N{LINE SEPARATOR}'"),
    ],
)
def test_first_line(text: str, expected: str) -> None:
    """A line ends at LF, CRLF and CR, not at a form feed or a Unicode separator."""
    assert expected == postprocess.first_line(draft(text, "x = ¦"))


@pytest.mark.parametrize(
    ("text", "reason", "expected"),
    [
        ("a()\nb(", FinishReason.STOP, "a()\nb("),
        ("a()\nb(", FinishReason.LENGTH, "a()"),
        ("a()\nb(", FinishReason.DEADLINE, "a()"),
        ("a()\r\nb(", FinishReason.LENGTH, "a()"),
        ("a(", FinishReason.LENGTH, "a("),
        ("\n    a(", FinishReason.LENGTH, "\n    a("),
    ],
)
def test_finished_lines(text: str, reason: FinishReason, expected: str) -> None:
    """A line that was cut off is dropped, unless it is the only one or the model was done."""
    assert expected == postprocess.finished_lines(draft(text, "¦", reason))


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        pytest.param(
            "def f(x):\n    ¦\n",
            "return x\n\n\ndef g():\n    pass",
            "return x",
            id="python: the next function",
        ),
        pytest.param(
            "def f(x):¦\n\n\nprint(f(1))\n",
            "\n    return x\n\n\ndef g():\n    pass",
            "\n    return x",
            id="python: behind the header",
        ),
        pytest.param(
            "class A:\n    def f(self):¦\n\n    def g(self): ...\n",
            "\n        return 1\n\n    def h(self):\n        return 2\n\ndef i(): ...",
            "\n        return 1\n\n    def h(self):\n        return 2",
            id="python: a method's neighbours may be written, the module's not",
        ),
        pytest.param(
            "def f(x):\n¦\n",
            "    if x:\n        return 1\n    return 2\nprint()",
            "    if x:\n        return 1\n    return 2",
            id="python: a blank line's indentation is the completion's first",
        ),
        pytest.param(
            "def f(x):\r\n    ¦\r\n",
            "y = 1\r\n    return y\r\nprint(f)",
            "y = 1\r\n    return y",
            id="python: CRLF",
        ),
        pytest.param(
            "func f() int {\n\t¦\n}\n",
            "a := 1\n\treturn a\n}\n\nfunc g() {",
            "a := 1\n\treturn a\n}",
            id="go: tabs; a closing bracket alone does not leave",
        ),
        pytest.param(
            "class A {\n\tint f() {\n        ¦\n\t}\n}\n",
            "return 1;\n\t}\n\n\tint g() {\n",
            "return 1;\n\t}\n\n\tint g() {\n",
            id="java: a tab is eight columns, so nothing leaves",
        ),
        pytest.param(
            "fn f() {\n    let a = vec![¦\n}\n",
            "\n        1,\n    ];\n    a.len()\n}\nfn g() {}",
            "\n        1,\n    ];\n    a.len()\n}",
            id="rust: closes what the cursor's line opened",
        ),
        pytest.param(
            "x = ¦\ny = 2\n",
            "1\nz = 3",
            "1\nz = 3",
            id="python: nothing leaves a module",
        ),
        pytest.param(
            "if (a) {\n  ¦\n  c();\n}\n",
            "b();\n\n  // done\n  d();\n",
            "b();\n\n  // done\n  d();\n",
            id="javascript: the same depth stays",
        ),
        pytest.param("def f():\n    ¦", "", "", id="nothing"),
    ],
)
def test_cut_at_block_end(code: str, text: str, expected: str) -> None:
    """Generated lines that leave the cursor's block are cut, up to the line's end before them."""
    assert expected == postprocess.cut_at_block_end(draft(text, code))


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        pytest.param(
            "def f(a):\n    ¦\n    return result\n",
            "result = a\n    return result\n",
            "result = a",
            id="python: the line below",
        ),
        pytest.param(
            "def f(a):\n    ¦\n    return result\n",
            "return result",
            "",
            id="python: on the cursor's blank line",
        ),
        pytest.param(
            "def f(a):¦\n    return result\n",
            "\n    return result\n",
            "",
            id="python: behind the header",
        ),
        pytest.param(
            "if not x:\n        ¦\n    return None\n",
            "return None",
            "return None",
            id="python: deeper is another line",
        ),
        pytest.param(
            "a = ¦\na = 1 + b\n",
            "1 + b",
            "1 + b",
            id="python: a line begun before the cursor may equal the next",
        ),
        pytest.param(
            "x = 1\n¦print(total)\n",
            "total = x\nprint(total)\nprint(x)",
            "total = x",
            id="python: the cursor at the start of the line that repeats",
        ),
        pytest.param(
            "¦\r\nprint(total)\r\n",
            "total = 1\nprint(total)\n",
            "total = 1",
            id="python: LF written for CRLF",
        ),
        pytest.param(
            "¦\nprint(total)\n",
            "total = 1\r\nprint(total)\r\n",
            "total = 1",
            id="python: CRLF written for LF",
        ),
        pytest.param(
            "function f() {\n  ¦\n}\n",
            "return 1;\n}\n\nfunction g() {",
            "return 1;",
            id="javascript: the bracket that is there already",
        ),
        pytest.param(
            "[\n¦\n]\n",
            "[\n1\n]",
            "[\n1\n]",
            id="json: a bracket that the completion opened",
        ),
        pytest.param(
            "if a {\n\t¦\n} else {\n\tb()\n}\n",
            "c()\n} else {\n\td()\n}\n",
            "c()\n} else {\n\td()\n}\n",
            id="go: a short line may stand twice",
        ),
        pytest.param(
            "if a {\n\t¦\n} else {\n\tb()\n}\n",
            "c()\n} else {\n\tb()\n",
            "c()",
            id="go: a short line with the one that follows it",
        ),
        pytest.param(
            "if a {\n\t¦\n} else {\n\tbig_call()\n}\n",
            "c()\n} else {\n\tbig_",
            "c()",
            id="go: the second line is not finished yet",
        ),
        pytest.param("¦\n\n\n", "x = 1\n", "x = 1\n", id="nothing below"),
    ],
)
def test_cut_suffix_lines(code: str, text: str, expected: str) -> None:
    """The completion ends where it begins to repeat the lines below the cursor."""
    assert expected == postprocess.cut_suffix_lines(draft(text, code))


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("print(¦)", "a, b)", "a, b"),
        ("print(¦)", "total()", "total()"),
        ("print(¦)", "total())", "total()"),
        ("x = [¦];", "1, 2];", "1, 2"),
        ('say("¦")', 'hello")', "hello"),
        ("a = ¦ + b", "c + b", "c"),
        ("a = ¦b", "x", "x"),
        ("a = ¦bc", "x + b", "x + b"),
        ("f(¦)\r\n", "x)", "x"),
        ("x = ¦\nprint(x)", "1print(x)", "1print(x)"),
        ("if (¦) {", "a) {", "a"),
        ("items[¦]", "index[0]", "index[0]"),
    ],
)
def test_cut_suffix_overlap(code: str, text: str, expected: str) -> None:
    """What already stands behind the cursor is not written again, nor is a bracket lost."""
    assert expected == postprocess.cut_suffix_overlap(draft(text, code))


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("x = ¦\n", "1  ", "1"),
        ("x = ¦\n", "1\r\n\r\n", "1"),
        ("x = ¦  \n", "1 \t", "1"),
        ("x = ¦y\n", "a + ", "a + "),
    ],
)
def test_trim_end(code: str, text: str, expected: str) -> None:
    """Blank space is kept only in front of other text on the line."""
    assert expected == postprocess.trim_end(draft(text, code))


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("a\n¦b\n", "x", "x\n"),
        ("¦b\n", "x\n\n", "x\n"),
        ("a\r\n¦b\r\n", "x", "x\n"),
        ("a\n¦\nb\n", "x", "x"),
        ("a\n  ¦b\n", "x", "x"),
    ],
)
def test_keep_lines_apart(code: str, text: str, expected: str) -> None:
    """New text at the start of a line that has text ends with a line break."""
    assert expected == postprocess.keep_lines_apart(draft(text, code))


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
        ("def f():\n    ¦\n", "a = 1\n    return a\nb", Mode.MULTI, "a = 1\n    return a", None),
    ],
)
def test_process(code: str, text: str, mode: Mode, expected: str, reason: str | None) -> None:
    """The steps run in order, and an emptied text names the step that emptied it."""
    processed = process(text, code, mode)
    assert (expected, reason) == (processed.text, processed.suppressed)


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
    trace = process("1 \n2", "x = ¦", Mode.SINGLE).trace
    assert (("single line", "1 "), ("blank end", "1")) == trace


def test_process_drops_the_unfinished_line() -> None:
    """A multi-line generation that ran out of tokens is shown up to its last whole line."""
    processed = process("a()\n    b(", "def f():\n    ¦\n", Mode.MULTI, FinishReason.LENGTH)
    assert "a()" == processed.text


@pytest.mark.parametrize(
    ("code", "text", "mode", "expected"),
    [
        ("x = ¦\n", "1", Mode.SINGLE, False),
        ("x = ¦\n", "1\n", Mode.SINGLE, True),
        ("def f():\n    ¦\n", "a()\n    b()\n", Mode.MULTI, False),
        ("def f():\n    ¦\n", "a()\n    b()\nc", Mode.MULTI, True),
        ("def f():\n    ¦\n    return a\n", "a = 1\n    return a", Mode.MULTI, False),
        ("def f():\n    ¦\n    return a\n", "a = 1\n    return a\n", Mode.MULTI, True),
        ("{\n  ¦\n}\n", "a()\n}", Mode.MULTI, False),
        ("{\n  ¦\n}\n", "a()\n}\n", Mode.MULTI, True),
    ],
)
def test_is_complete(code: str, text: str, mode: Mode, *, expected: bool) -> None:
    """Generating may stop once whatever came next would be cut off."""
    assert expected == postprocess.is_complete(text, context(code, mode))


def test_confidence() -> None:
    """Confidence is the geometric mean of the token probabilities, None without them."""
    assert postprocess.confidence(()) is None
    assert 0.5 == pytest.approx(postprocess.confidence((math.log(0.25), math.log(1.0))))


# Code in small: lines and pieces that the steps look at, so that they often meet.
PIECES = st.sampled_from(
    [
        *("return total", "total", "x = 1", "else:", "}", ")", "(", "{", "},", "f(x)", '"', "é🙂"),
        *("\n", "\n", "\r\n", "\r", "    ", "  ", "\t", " ", "\f", "\N{LINE SEPARATOR}"),
    ]
)
CODE = st.lists(PIECES, max_size=14).map("".join)
# So few lines that completion and suffix often share some.
LINES = st.lists(
    st.sampled_from(["return total\n", "return tot", "x\n", "  x\n", "}\n"]), max_size=4
).map("".join)


@given(text=st.text(), prefix=st.text(), suffix=st.text(), reason=st.sampled_from(FinishReason))
@pytest.mark.parametrize("mode", list(Mode))
def test_never_raises(
    mode: Mode, text: str, prefix: str, suffix: str, reason: FinishReason
) -> None:
    """Any text in any context gives a text, or a reason for none."""
    generation = Generation((), text, (), reason)
    processed = postprocess.process(
        generation, CompletionContext(prefix, suffix, mode=mode), control_tokens=["<|end|>"]
    )
    assert (processed.suppressed is None) == bool(processed.text.strip())


@given(text=CODE, prefix=CODE, suffix=CODE, reason=st.sampled_from(FinishReason))
@pytest.mark.parametrize("mode", list(Mode))
def test_shows_only_what_was_generated(
    mode: Mode, text: str, prefix: str, suffix: str, reason: FinishReason
) -> None:
    """Steps cut; all they ever add is one line break at the end."""
    generation = Generation((), text, (), reason)
    processed = postprocess.process(generation, CompletionContext(prefix, suffix, mode=mode))
    assert text.startswith(processed.text.removesuffix("\n"))


@given(
    text=CODE | LINES,
    more=CODE | LINES,
    prefix=CODE | st.just("  f(a)\n"),
    suffix=CODE | LINES.map("\n".__add__),
)
@pytest.mark.parametrize("mode", list(Mode))
@settings(max_examples=400)
def test_is_complete_agrees_with_process(
    mode: Mode, text: str, more: str, prefix: str, suffix: str
) -> None:
    """Text that is complete gives the same completion whatever is generated after it."""
    where = CompletionContext(prefix, suffix, mode=mode)
    shown = [
        postprocess.process(Generation((), written, (), FinishReason.STOP), where).text
        for written in (text, text + more)
    ]
    assert shown[0] == shown[1] or not postprocess.is_complete(text, where)


@given(text=CODE, prefix=CODE, suffix=CODE)
def test_single_line_is_one_line(text: str, prefix: str, suffix: str) -> None:
    """Single-line mode never shows a line break inside a completion."""
    where = CompletionContext(prefix, suffix, mode=Mode.SINGLE)
    shown = postprocess.process(Generation((), text, (), FinishReason.STOP), where).text
    assert {"\r", "\n"}.isdisjoint(shown.removesuffix("\n"))
