"""The steps that tidy a completion's end."""

from __future__ import annotations

import pytest

from fimls.postprocess.ends import (
    close_brackets,
    cut_control_tokens,
    drop_extra_closers,
    finished_lines,
    keep_lines_apart,
    trim_end,
)
from fimls.types import FinishReason
from tests.unit.postprocess.cursor import context, draft


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
    assert expected == cut_control_tokens(text, tokens)


@pytest.mark.parametrize(
    ("code", "text", "language_id", "expected"),
    [
        ("a = [¦]\n", "x for x in y if f(x", "python", "x for x in y if f(x)"),
        ("a = ¦\n", "{k: [f(k", "python", "{k: [f(k)]}"),
        ("a = f(¦)\n", "x", "python", "x"),
        ("a = ¦)\n", "f(x", "python", "f(x"),
        ("a = ¦\n    b)\n", "f(x,", "python", "f(x,"),
        ("f(¦\n", "x", "python", "x"),  # what stands before the cursor is the person's
        ("a = ¦\n", "f(')", "python", "f(')"),  # it ends in a string
        ("a = f(¦)\n", '"(", g(1', "python", '"(", g(1)'),
        ("a = ¦\n", "b  # (see", "python", "b  # (see"),
        ("let a = [¦];\n", "f(x", "javascript", "f(x)"),
        ("¦\n", "(see", "markdown", "(see"),
        (
            "    ¦\n",
            "for i in 0..n {\n        f(i);",
            "rust",
            "for i in 0..n {\n        f(i);\n    }",
        ),
        (
            "\t¦\n",
            "if (a) {\r\n\t\tf([\r\n\t\t\t1,",
            "c",
            "if (a) {\r\n\t\tf([\r\n\t\t\t1,\r\n\t\t])\r\n\t}",
        ),
        ("a = ¦\n", "f(\n    b,\n", "python", "f(\n    b,\n)"),
    ],
)
def test_close_brackets(code: str, text: str, language_id: str, expected: str) -> None:
    """What the text opens is closed where the code below doesn't."""
    assert expected == close_brackets(text, context(code, language_id=language_id))


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
    assert expected == finished_lines(draft(text, "¦", reason=reason))


@pytest.mark.parametrize(
    ("code", "text", "language_id", "expected"),
    [
        ("print(¦)", "a, b))", "python", "a, b"),
        ("print(f(¦))", "a)))", "python", "a"),
        ("print(¦)", "f(a)", "python", "f(a)"),
        ("print([¦])", "a])]", "python", "a"),
        ("print(¦", "a, b)", "python", "a, b)"),
        ("#define A(x) do { ¦\n", "f(x); } while (0)", "c", "f(x); } while (0)"),
        ("x = ¦\n", "a)", "python", "a"),
        ('print(¦, ")")', "f(a)", "python", "f(a)"),
        ("f(() => {\n  ¦\n});\n", "a();\n})", "javascript", "a();"),
        ("int f() {\n  if (a) {\n    ¦\n  }\n}\n", "b();\n  }", "c", "b();"),
        ("fn f() {\n    ¦\n", "a()\n}", "rust", "a()\n}"),
        ('"""\n(¦\n', "a))", "python", "a))"),
    ],
)
def test_drop_extra_closers(code: str, text: str, language_id: str, expected: str) -> None:
    """A closing bracket that the code after the cursor has, or that closes nothing, goes."""
    assert expected == drop_extra_closers(draft(text, code, language_id))


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
    assert expected == trim_end(draft(text, code))


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
    assert expected == keep_lines_apart(draft(text, code))


def test_keep_lines_apart_inside_indentation() -> None:
    """Where the completion went on with the line's text, its end is the line's indentation."""
    code, text = "for i in x:\n¦    a(i)\n", "    b(i)\n    "
    assert text == keep_lines_apart(draft(text, code, ended=True))
    assert "    b(i)\n" == keep_lines_apart(draft(text, code))
