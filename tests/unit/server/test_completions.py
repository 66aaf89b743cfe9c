"""Completions as LSP has them."""

from lsprotocol import types as lsp

from fimls.server.completions import ItemMaker
from fimls.types import Completion, Document


def maker(text: str) -> ItemMaker:
    """Make items for a text."""
    return ItemMaker(Document("file:///a.py", "python", 1, text), "utf-16")


def test_inline_range_counts_the_encodings_units() -> None:
    """Offsets are code points, positions UTF-16 units."""
    item = maker("a\n\U0001f600x)").inline(Completion("1", "y)", 4, 5))
    assert item.range == lsp.Range(lsp.Position(1, 3), lsp.Position(1, 4))


def test_popup_replaces_the_word_before() -> None:
    """The word counts from the line's start at most, and the label is short."""
    text = "foo\nsome_w"
    item = maker(text).popup(Completion("1", "ord" * 40, len(text), len(text)), 0)
    assert item.filter_text == "some_w" + "ord" * 40
    assert len(item.label) == 61
    assert item.documentation is None
    assert item.text_edit == lsp.TextEdit(
        lsp.Range(lsp.Position(1, 0), lsp.Position(1, 6)), "some_w" + "ord" * 40
    )


def test_popup_of_a_completion_that_starts_a_line() -> None:
    """The label is what can be read, and the rest is documentation."""
    item = maker("x\n").popup(Completion("1", "    pass\nend", 2, 2), 0)
    assert item.label == "pass\N{HORIZONTAL ELLIPSIS}"
    assert item.documentation == "    pass\nend"
