r"""Text as editors count it: lines, positions, offsets, edits. Standard library only.

Three ways to name a place in a text:

- ``offset``: code points from the text's start; what Python strings index by.
- position: an LSP line and character, both from 0. A character counts code units of the encoding
  that client and server agreed on (UTF-16 unless they say otherwise).
- ``byte_offset``: bytes of the text's UTF-8; what tree-sitter counts.

A line ends at ``\n``, ``\r\n`` or ``\r`` and nowhere else (LSP 3.18). Not ``str.splitlines``:
it also breaks at form feeds, vertical tabs, NEL, U+2028 and others.
"""

from __future__ import annotations

import re
import stat
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Literal, NamedTuple

from fimls.types import Document, DocumentError

MAX_DOCUMENT_BYTES = 2_000_000
_BINARY_PROBE_BYTES = 8192
_INDEXES_KEPT = 4

Encoding = Literal["utf-16", "utf-8", "utf-32"]
"""The values of LSP's PositionEncodingKind."""

_LINE_END = re.compile(r"\r\n?|\n")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class Position(NamedTuple):
    """A place as LSP names it: both count from 0, ``character`` in an encoding's code units."""

    line: int
    character: int


@dataclass(frozen=True, slots=True)
class TextChange:
    """One edit: ``text`` replaces what lies from ``span``'s start to its end. None: everything."""

    text: str
    span: tuple[Position, Position] | None = None


class LineIndex:
    """Where a text's lines start, found once; converts between offsets and positions.

    starts: each line's first offset. A text that ends in a line end has an empty last line, and the
        empty text has one line.
    """

    __slots__ = ("_text", "starts")

    def __init__(self, text: str) -> None:
        self._text = text
        if "\r" in text:
            self.starts = [0, *(match.end() for match in _LINE_END.finditer(text))]
        else:  # twice as fast
            lengths = [len(line) + 1 for line in text.split("\n")]
            self.starts = list(accumulate(lengths[:-1], initial=0))

    @property
    def line_count(self) -> int:
        """How many lines there are, at least 1."""
        return len(self.starts)

    def line_of(self, offset: int) -> int:
        """Return the line, from 0, that an offset lies on."""
        return bisect_right(self.starts, offset) - 1

    def line_bounds(self, line: int) -> tuple[int, int]:
        """Return the offsets where a line starts and where its line end, not included, begins."""
        start = self.starts[line]
        return start, _line_end(self._text, start)

    def position(self, offset: int, encoding: Encoding = "utf-16") -> Position:
        r"""Return an offset's position; the offset between ``\r`` and ``\n`` has the line's end.

        Raises:
            ValueError: the offset lies outside the text.
        """
        if not 0 <= offset <= len(self._text):
            message = f"offset {offset} is outside 0..{len(self._text)}"
            raise ValueError(message)
        line = self.line_of(offset)
        start, end = self.line_bounds(line)
        return Position(line, _units(self._text[start : min(offset, end)], encoding))

    def offset(self, position: Position, encoding: Encoding = "utf-16") -> int:
        """Return a position's offset, moving what lies outside to the nearest place inside.

        A character past its line's end means the line's end (LSP 3.18), one inside a surrogate pair
        or a multi-byte sequence means that code point's start, a line past the last means the
        text's end.
        """
        if position.line >= self.line_count:
            return len(self._text)
        if position.line < 0:
            return 0
        return _offset_on_line(self._text, self.starts[position.line], position.character, encoding)

    def strict_offset(self, line: int, column: int) -> int:
        """Return the offset of a line and a column that both count from 1, in code points.

        A line of n characters has columns 1 to n + 1.

        Raises:
            DocumentError: there is no such line or column; says how many there are.
        """
        if not 1 <= line <= self.line_count:
            has = "1 line" if self.line_count == 1 else f"{self.line_count} lines"
            raise DocumentError(
                f"line {line} is outside the text, which has {has}",
                hint=f"lines count from 1; use 1 to {self.line_count}",
            )
        start, end = self.line_bounds(line - 1)
        characters = end - start
        if not 1 <= column <= characters + 1:
            has = "1 character" if characters == 1 else f"{characters} characters"
            raise DocumentError(
                f"column {column} is outside line {line}, which has {has}",
                hint=f"columns count from 1; use 1 to {characters + 1}",
            )
        return start + column - 1


@lru_cache(maxsize=_INDEXES_KEPT)
def line_index(text: str) -> LineIndex:
    """Return a text's lines, kept for the last few texts: a keystroke asks for them repeatedly."""
    return LineIndex(text)


def byte_offset(text: str, offset: int) -> int:
    """Return how many bytes of UTF-8 stand before an offset."""
    return offset if text.isascii() else _units(text[:offset], "utf-8")


def offset_at_byte(text: str, byte_: int) -> int:
    """Return the offset of a byte of the text's UTF-8; inside a sequence: that code point's start.

    Past the end means the text's end.
    """
    if text.isascii():
        return min(byte_, len(text))
    data = utf8(text)
    while 0 < byte_ < len(data) and 0x80 <= data[byte_] <= 0xBF:
        byte_ -= 1
    return len(data[:byte_].decode("utf-8", "surrogatepass"))


def utf8(text: str) -> bytes:
    """Encode a text, lone surrogates included, so that byte offsets exist for every text."""
    return text.encode("utf-8", "surrogatepass")


def well_formed(text: str) -> str:
    r"""Replace lone surrogates, which JSON can carry and a tokenizer refuses, by U+FFFD.

    Both have the same length in UTF-8, UTF-16 and UTF-32, so positions stay right.
    """
    return text if text.isascii() else _LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


def apply_changes(text: str, changes: Iterable[TextChange], encoding: Encoding = "utf-16") -> str:
    """Apply edits one after the other, each on the text that the one before left (LSP didChange).

    Positions outside the text are moved inside as by :meth:`LineIndex.offset`; a range whose ends
    are swapped is turned round; lone surrogates are replaced (:func:`well_formed`).
    """
    edited = _EditedText(text)
    for change in changes:
        edited.apply(change, encoding)
    return edited.text


class _EditedText:
    """A text under edit with the starts of its lines, as far as edits left them.

    An edit keeps the starts before it. An editor sends a replace-all from the last place to the
    first, and then no line is scanned twice, however many edits one notification carries.
    """

    __slots__ = ("_starts", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._starts = [*line_index(text).starts]

    def apply(self, change: TextChange, encoding: Encoding) -> None:
        inserted = well_formed(change.text)
        if change.span is None:
            self.text, self._starts = inserted, [0]
            return
        start, end = sorted(self._offset(position, encoding) for position in change.span)
        self.text = self.text[:start] + inserted + self.text[end:]
        # The edited line's own start may go too: "\n" typed at it joins an earlier "\r".
        line = bisect_right(self._starts, start) - 1
        del self._starts[max(line, 1) :]

    def _offset(self, position: Position, encoding: Encoding) -> int:
        while len(self._starts) <= position.line:
            match = _LINE_END.search(self.text, self._starts[-1])
            if match is None:
                return len(self.text)
            self._starts.append(match.end())
        if position.line < 0:
            return 0
        return _offset_on_line(self.text, self._starts[position.line], position.character, encoding)


def read_document(path: Path, language_id: str = "") -> Document:
    """Read a file as an editor would open it. A UTF-8 byte order mark is dropped, not counted.

    Raises:
        DocumentError: missing, a directory or another special file, unreadable, larger than
            MAX_DOCUMENT_BYTES, binary (a NUL in its first 8 KiB), or not UTF-8 (says where).
    """
    data = _read_bytes(path)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DocumentError(f"{path}: encoded as UTF-16, not UTF-8", hint="save it as UTF-8")
    if b"\0" in data[:_BINARY_PROBE_BYTES]:
        raise DocumentError(f"{path}: a binary file", hint="name a text file")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = LineIndex(data[: error.start].decode("utf-8")).line_count
        raise DocumentError(
            f"{path}:{line}: not UTF-8: byte 0x{data[error.start]:02x} at byte {error.start}",
            hint="save it as UTF-8",
        ) from error
    text = text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
    return Document(uri=path.absolute().as_uri(), language_id=language_id, version=0, text=text)


def _read_bytes(path: Path) -> bytes:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise DocumentError(f"{path}: a directory", hint="name a file in it")
        if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device may never end
            raise DocumentError(f"{path}: not a regular file", hint="name a text file")
        with path.open("rb") as file:
            data = file.read(MAX_DOCUMENT_BYTES + 1)
    except FileNotFoundError as error:
        raise DocumentError(f"{path}: no such file", hint="check the path") from error
    except PermissionError as error:
        raise DocumentError(f"{path}: no permission to read it", hint="check its mode") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise DocumentError(f"{path}: can't be read: {reason}", hint="check the path") from error
    if len(data) > MAX_DOCUMENT_BYTES:
        raise DocumentError(
            f"{path}: too large: {max(status.st_size, len(data)):,} bytes, "
            f"at most {MAX_DOCUMENT_BYTES:,}",
            hint="generated and data files are rarely worth completing",
        )
    return data


def _line_end(text: str, start: int) -> int:
    match = _LINE_END.search(text, start)
    return match.start() if match else len(text)


def _offset_on_line(text: str, start: int, character: int, encoding: Encoding) -> int:
    """Return the offset that lies ``character`` units after a line's start, clamped to the line."""
    end = min(_line_end(text, start), start + max(character, 0))  # a code point has >= 1 unit
    line = text[start:end]
    if encoding == "utf-32" or line.isascii():
        return end
    counts = range(len(line) + 1)
    length = bisect_right(counts, character, key=lambda count: _units(line[:count], encoding)) - 1
    return start + max(length, 0)


def _units(text: str, encoding: Encoding) -> int:
    """Return how many code units of an encoding a text has."""
    if encoding == "utf-32" or text.isascii():
        return len(text)
    if encoding == "utf-8":
        return len(utf8(text))
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def is_word_character(character: str) -> bool:
    """Whether a character is part of a name: a letter, a digit or an underscore."""
    return character.isalnum() or character == "_"


def has_word(text: str, word: str) -> bool:
    """Whether a word stands in a text by itself, not as a part of a longer one."""
    at = text.find(word)
    while at >= 0:
        end = at + len(word)
        before, after = text[at - 1 : at], text[end : end + 1]
        if not (before and is_word_character(before)) and not (after and is_word_character(after)):
            return True
        at = text.find(word, end)
    return False
