"""Finding literals fast: ``str.find`` reads 1 GB/s where a regular expression reads 10 to 50 MB/s.

To find what isn't literal, characters of a class are made equal first, which keeps offsets.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import AnyStr

_DIGITS = b"0123456789"
_DIGITS_AS_ZEROS = bytes.maketrans(_DIGITS, b"0" * 10)
_HEXADECIMALS_AS_ZEROS = bytes.maketrans(_DIGITS + b"abcdefABCDEF", b"0" * 22)


def places(text: AnyStr, part: AnyStr) -> Iterator[int]:
    """Yield where a part stands, from left to right, without overlaps."""
    place = text.find(part)
    while place >= 0:
        yield place
        place = text.find(part, place + len(part))


def one_byte_each(text: str) -> bytes:
    """Return one byte for each character: ``?`` for those that Latin-1 doesn't have."""
    return text.encode("latin-1", "replace")


def digits_as_zeros(text: str) -> bytes:
    """Return one byte for each character, ``0`` for each digit."""
    return one_byte_each(text).translate(_DIGITS_AS_ZEROS)


def hexadecimals_as_zeros(text: str) -> bytes:
    """Return one byte for each character, ``0`` for each hexadecimal digit."""
    return one_byte_each(text).translate(_HEXADECIMALS_AS_ZEROS)
