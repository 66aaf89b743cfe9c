"""Random documents and edits, against a reference that shares nothing with ``fimls.text``.

The reference keeps a document as UTF-16 code units, as the editors that invented LSP do, and finds
lines by walking over them. It never sees code points, regular expressions or offsets.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from fimls.text import LineIndex, Position, TextChange, apply_changes, byte_offset, offset_at_byte

CR, LF = 0x0D, 0x0A

PIECES = st.sampled_from(
    [
        *("a", "b", " ", "\t", "é", "e\u0301", "中", "\u200d", "\ufffd", "\ufeff"),
        *("😀", "\U0001d518", "\U0010ffff", "👩\u200d👩\u200d👧"),
        *("\n", "\r\n", "\r", "\f", "\v", "\x1c", "\x85", "\u2028", "\u2029", "\0"),
    ]
)
# Half of what is drawn is tiny: few lines, mostly line ends, edits at a line's start. There an edit
# joins a CR with an LF or parts them, which is rare in larger documents.
TEXTS = st.lists(PIECES, max_size=25).map("".join) | st.text("\r\na😀", max_size=4)
POSITIONS = st.builds(Position, st.integers(0, 8), st.integers(0, 12)) | st.builds(
    Position, st.integers(0, 2), st.integers(0, 1)
)
SPANS = st.none() | st.tuples(POSITIONS, POSITIONS) | POSITIONS.map(lambda place: (place, place))
CHANGES = st.builds(TextChange, TEXTS, SPANS)


def units_of(text: str) -> list[int]:
    """Return UTF-16 code units."""
    data = text.encode("utf-16-le")
    return [int.from_bytes(data[at : at + 2], "little") for at in range(0, len(data), 2)]


def text_of(units: list[int]) -> str:
    """Return the text of UTF-16 code units."""
    return b"".join(unit.to_bytes(2, "little") for unit in units).decode("utf-16-le")


@dataclass
class Utf16Document:
    """The reference: a list of code units."""

    units: list[int]

    def lines(self) -> list[tuple[int, int]]:
        """Return each line's first unit and its end without the line end."""
        lines = []
        start = at = 0
        while at < len(self.units):
            if self.units[at] == CR and at + 1 < len(self.units) and self.units[at + 1] == LF:
                lines.append((start, at))
                at = start = at + 2
            elif self.units[at] in {CR, LF}:
                lines.append((start, at))
                at = start = at + 1
            else:
                at += 1
        return [*lines, (start, len(self.units))]

    def unit(self, position: Position) -> int:
        """Return the index of a position's code unit by LSP's rules."""
        lines = self.lines()
        if position.line >= len(lines):
            return len(self.units)
        start, end = lines[position.line]
        at = min(start + position.character, end)
        inside_pair = start < at < end and 0xDC00 <= self.units[at] < 0xE000
        return at - 1 if inside_pair else at

    def apply(self, change: TextChange) -> None:
        """Edit in place."""
        if change.span is None:
            self.units = units_of(change.text)
        else:
            first, second = (self.unit(position) for position in change.span)
            low, high = min(first, second), max(first, second)
            self.units[low:high] = units_of(change.text)


@settings(max_examples=400)
@given(TEXTS, st.lists(CHANGES, max_size=6))
def test_edits_agree_with_the_reference(text: str, changes: list[TextChange]) -> None:
    """Any sequence of edits leaves the text that UTF-16 editing leaves."""
    reference = Utf16Document(units_of(text))
    for change in changes:
        reference.apply(change)
    assert text_of(reference.units) == apply_changes(text, changes)


@given(TEXTS, POSITIONS)
def test_offsets_agree_with_the_reference(text: str, position: Position) -> None:
    """A position, inside the text or not, names the same place as in UTF-16."""
    reference = Utf16Document(units_of(text))
    before = text_of(reference.units[: reference.unit(position)])
    assert len(before) == LineIndex(text).offset(position)


@given(TEXTS)
def test_lines_agree_with_the_reference(text: str) -> None:
    """Lines start and end where they do in UTF-16."""
    reference = Utf16Document(units_of(text))
    index = LineIndex(text)
    expected = [
        tuple(len(text_of(reference.units[:unit])) for unit in line) for line in reference.lines()
    ]
    assert expected == [index.line_bounds(line) for line in range(index.line_count)]


@given(TEXTS, st.sampled_from(["utf-8", "utf-16", "utf-32"]), st.data())
def test_positions_round_trip(text: str, encoding: str, data: st.DataObject) -> None:
    """An offset's position leads back to it; the one inside CRLF leads to the line's end."""
    offset = data.draw(st.integers(0, len(text)))
    index = LineIndex(text)
    expected = offset - 1 if text[max(offset - 1, 0) : offset + 1] == "\r\n" else offset
    assert expected == index.offset(index.position(offset, encoding), encoding)  # type: ignore[arg-type]


@given(TEXTS, st.data())
def test_byte_offsets_agree_with_encoding(text: str, data: st.DataObject) -> None:
    """Byte offsets are lengths of encoded prefixes, and lead back."""
    offset = data.draw(st.integers(0, len(text)))
    byte_ = len(text[:offset].encode())
    assert byte_ == byte_offset(text, offset)
    assert offset == offset_at_byte(text, byte_)
