"""Lines, positions, offsets, edits and reading files."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest

from fimls import text as text_module
from fimls.text import (
    MAX_DOCUMENT_BYTES,
    LineIndex,
    Position,
    TextChange,
    apply_changes,
    byte_offset,
    line_index,
    offset_at_byte,
    read_document,
    well_formed,
)
from fimls.types import Document, DocumentError
from tests.growth import CONSTANT, LINEAR, TIMES, growth

if TYPE_CHECKING:
    from pathlib import Path

    from fimls.text import Encoding

NOT_LINE_ENDS = "\f\v\x1c\x1d\x1e\x85\u2028\u2029"


@pytest.mark.parametrize(
    ("text", "starts"),
    [
        ("", [0]),
        ("a", [0]),
        ("a\n", [0, 2]),
        ("a\nb\rc\r\nd", [0, 2, 4, 7]),
        ("\r\r\n\n", [0, 1, 3, 4]),
        ("\n\r", [0, 1, 2]),
    ],
)
def test_line_starts(text: str, starts: list[int]) -> None:
    """Lines end at LF, CR and CRLF; a final line end opens an empty line."""
    assert starts == LineIndex(text).starts


def test_other_separators_are_ordinary_characters() -> None:
    """What str.splitlines breaks at besides the three line ends breaks nothing here."""
    assert LineIndex(NOT_LINE_ENDS).line_count == 1


@pytest.mark.parametrize(
    ("encoding", "characters"),
    [("utf-32", [0, 1, 2, 3, 4]), ("utf-16", [0, 1, 2, 4, 5]), ("utf-8", [0, 1, 3, 7, 8])],
)
def test_position_counts_units(encoding: Encoding, characters: list[int]) -> None:
    """A character is a code unit of the encoding; offsets are code points."""
    index = LineIndex("first\naé😀b")
    positions = [Position(1, character) for character in characters]
    assert positions == [index.position(offset, encoding) for offset in range(6, 11)]
    assert list(range(6, 11)) == [index.offset(position, encoding) for position in positions]


@pytest.mark.parametrize(
    ("position", "offset"),
    [
        (Position(0, 99), 2),  # past the line's end, which is before the line's CRLF
        (Position(0, 3), 2),
        (Position(1, 1), 4),  # inside the surrogate pair
        (Position(9, 0), 6),  # past the last line
        (Position(9, 99), 6),
        (Position(2, 1), 6),
        (Position(-1, 3), 0),
        (Position(1, -1), 4),
    ],
)
def test_offset_clamps(position: Position, offset: int) -> None:
    """A position outside the text, or inside a code point, moves to the place LSP 3.18 names."""
    assert offset == LineIndex("ab\r\n😀\n").offset(position, "utf-16")


def test_offset_inside_a_multibyte_sequence() -> None:
    """A UTF-8 character inside a sequence means its code point's start."""
    index = LineIndex("é😀x")
    offsets = [index.offset(Position(0, byte), "utf-8") for byte in range(9)]
    assert [0, 0, 1, 1, 1, 1, 2, 3, 3] == offsets


def test_position_between_cr_and_lf_is_the_line_end() -> None:
    """No cursor stands between CR and LF."""
    assert Position(0, 1) == LineIndex("a\r\nb").position(2)


@pytest.mark.parametrize("offset", [-1, 4])
def test_position_refuses_an_offset_outside(offset: int) -> None:
    """A wrong offset is the program's mistake, so it isn't clamped."""
    with pytest.raises(ValueError, match=r"outside 0\.\.3"):
        LineIndex("abc").position(offset)


def test_line_bounds_leave_out_the_line_end() -> None:
    """A line's bounds hold its characters only."""
    index = LineIndex("ab\r\nc")
    assert [(0, 2), (4, 5)] == [index.line_bounds(0), index.line_bounds(1)]


def test_strict_offset_counts_from_one_in_code_points() -> None:
    """LINE:COL of the command line counts from 1, and an emoji is one column."""
    index = LineIndex("a\n😀b")
    assert [0, 1, 2, 3, 4] == [
        index.strict_offset(line, column)
        for line, column in [(1, 1), (1, 2), (2, 1), (2, 2), (2, 3)]
    ]


@pytest.mark.parametrize(
    ("line", "column", "message", "hint"),
    [
        (0, 1, "line 0 is outside the text, which has 2 lines", "use 1 to 2"),
        (3, 1, "line 3 is outside the text, which has 2 lines", "use 1 to 2"),
        (1, 0, "column 0 is outside line 1, which has 1 character", "use 1 to 2"),
        (1, 3, "column 3 is outside line 1, which has 1 character", "use 1 to 2"),
        (2, 5, "column 5 is outside line 2, which has 3 characters", "use 1 to 4"),
    ],
)
def test_strict_offset_refuses_what_is_outside(
    line: int, column: int, message: str, hint: str
) -> None:
    """The error says how many lines or characters there are, and the hint what is valid."""
    with pytest.raises(DocumentError) as caught:
        LineIndex("a\r\nbcd").strict_offset(line, column)
    assert message == str(caught.value)
    assert hint in caught.value.hint


def test_byte_offsets() -> None:
    """Byte offsets count UTF-8; a byte inside a sequence means its code point's start."""
    text = "aé😀"
    assert [0, 1, 3, 7] == [byte_offset(text, offset) for offset in range(4)]
    assert [0, 1, 1, 2, 2, 2, 2, 3, 3] == [offset_at_byte(text, byte) for byte in range(9)]
    assert [0, 2, 3, 3] == [offset_at_byte("abc", byte) for byte in (0, 2, 3, 4)]


def test_byte_offsets_of_lone_surrogates() -> None:
    """JSON can carry half a surrogate pair; offsets behind it still exist."""
    assert byte_offset("\ud83dx", 2) == 4
    assert offset_at_byte("\ud83dx", 4) == 2
    assert Position(0, 2) == LineIndex("\ud83dx").position(2)


def test_well_formed_replaces_lone_surrogates() -> None:
    """Half a pair becomes U+FFFD, which is as long in every encoding."""
    assert well_formed("a\ud83d😀") == "a\N{REPLACEMENT CHARACTER}😀"


def change(text: str, *span: tuple[int, int]) -> TextChange:
    """Make an edit from (line, character) pairs, or of everything."""
    if not span:
        return TextChange(text)
    start, end = span
    return TextChange(text, (Position(*start), Position(*end)))


@pytest.mark.parametrize(
    ("text", "changes", "result"),
    [
        ("ab", [], "ab"),
        ("ab", [change("x")], "x"),
        ("ab\ncd", [change("X", (0, 1), (1, 1))], "aXd"),
        ("ab", [change("X", (0, 1), (0, 1)), change("Y", (0, 2), (0, 2))], "aXYb"),
        ("a", [change("b\nc"), change("X", (1, 0), (1, 1))], "b\nX"),
        ("😀b", [change("X", (0, 1), (0, 2))], "Xb"),
        ("ab", [change("X", (0, 2), (0, 0))], "X"),
        ("ab", [change("X", (7, 7), (8, 8))], "abX"),
        ("a\u2028b\fc\nd", [change("X", (1, 0), (1, 1))], "a\u2028b\fc\nX"),
        ("a\rb", [change("\n", (1, 0), (1, 0)), change("X", (1, 0), (1, 1))], "a\r\nX"),
        ("a\r\nb", [change("", (0, 1), (0, 9)), change("X", (1, 0), (1, 1))], "a\r\nX"),
        ("a", [change("\ud83d", (0, 0), (0, 0))], "\N{REPLACEMENT CHARACTER}a"),
    ],
)
def test_apply_changes(text: str, changes: list[TextChange], result: str) -> None:
    """Edits apply one after the other, each to what the one before left."""
    assert result == apply_changes(text, changes)


LINE = "x = call(argument)  # ok\n"


def test_two_megabytes_are_fast() -> None:
    """A document of the largest size is gone through once, whatever is looked up in it."""

    def look_up(lines: int) -> Callable[[], object]:
        text = LINE * lines

        def run() -> None:
            index = LineIndex(text)
            for offset in range(0, len(text), len(text) // 100):
                assert offset == index.offset(index.position(offset))

        return run

    assert growth(look_up, MAX_DOCUMENT_BYTES // len(LINE) // TIMES) < LINEAR


def test_a_look_up_costs_the_same_anywhere() -> None:
    """A position and an offset of a large document cost what they do in a small one."""

    def look_up(lines: int) -> Callable[[], object]:
        index, last = LineIndex(LINE * lines), len(LINE) * lines - 1
        return lambda: index.offset(index.position(last))

    assert growth(look_up, MAX_DOCUMENT_BYTES // len(LINE) // TIMES) < CONSTANT


def test_many_edits_scan_no_line_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replace-all, from the last place to the first, costs each edit a few looks for a line's
    end.
    """
    text = LINE * (MAX_DOCUMENT_BYTES // len(LINE))
    edits = [
        change("y", (line, 0), (line, 1)) for line in range(LineIndex(text).line_count - 2, 0, -999)
    ]
    indexes = line_index.cache_info().misses
    line_end = Mock(wraps=text_module._LINE_END)
    monkeypatch.setattr(text_module, "_LINE_END", line_end)
    assert len(edits) == apply_changes(text, edits).count("y")
    assert line_index.cache_info().misses <= indexes + 1
    assert line_end.search.call_count <= 4 * len(edits)


def test_read_document(tmp_path: Path) -> None:
    """A file becomes a snapshot with its URI, its line ends untouched."""
    path = tmp_path / "a b.py"
    path.write_bytes("x = 'é😀'\r\n".encode())
    expected = Document(path.as_uri(), "python", 0, "x = 'é😀'\r\n")
    assert expected == read_document(path, "python")


@pytest.mark.parametrize(
    ("data", "text"), [(b"", ""), (b"\xef\xbb\xbfab", "ab"), (b"a\xef\xbb\xbf", "a\ufeff")]
)
def test_read_document_drops_a_byte_order_mark(tmp_path: Path, data: bytes, text: str) -> None:
    """Only a leading mark goes; an empty file is an empty document."""
    path = tmp_path / "file"
    path.write_bytes(data)
    assert text == read_document(path).text


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"ab\0c", "a binary file"),
        (b"a\r\nb\rc\xff", ":3: not UTF-8: byte 0xff at byte 6"),
        (b"\xef\xbb\xbf\n\xc3", ":2: not UTF-8: byte 0xc3 at byte 4"),
        ("é".encode("utf-16"), "encoded as UTF-16"),
        (b"a" * (MAX_DOCUMENT_BYTES + 1), "too large: 2,000,001 bytes, at most 2,000,000"),
    ],
)
def test_read_document_refuses_bytes(tmp_path: Path, data: bytes, message: str) -> None:
    """What isn't text of a reasonable size is refused with the place and the reason."""
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(DocumentError) as caught:
        read_document(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert caught.value.hint


def test_read_document_takes_the_largest_size(tmp_path: Path) -> None:
    """The bound itself is allowed."""
    path = tmp_path / "file"
    path.write_bytes(b"a" * MAX_DOCUMENT_BYTES)
    assert len(read_document(path).text) == MAX_DOCUMENT_BYTES


def test_read_document_refuses_what_is_no_file(tmp_path: Path) -> None:
    """A missing path, a folder and a pipe are told apart; a pipe isn't waited for."""
    os.mkfifo(tmp_path / "pipe")
    messages = {}
    for name in ("missing", ".", "pipe", "nul\0"):
        with pytest.raises(DocumentError) as caught:
            read_document(tmp_path / name)
        messages[name] = str(caught.value).rpartition(": ")[2]
    assert messages == {
        "missing": "no such file",
        ".": "a directory",
        "pipe": "not a regular file",
        "nul\0": "embedded null byte",
    }


def test_read_document_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that may not be read says so. Root may read all, so the refusal is played."""
    path = tmp_path / "secret.py"
    path.write_text("x")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(DocumentError, match="no permission"):
        read_document(path)
