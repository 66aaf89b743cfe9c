"""The place on disk that a document's URI names, if any. Standard library only.

A client sends whatever string it likes as a URI, and sends it again with each keystroke.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path, PurePosixPath
from urllib.parse import SplitResult, unquote, urlsplit

_KEPT = 512
_THIS_MACHINE = ("", "localhost")  # RFC 8089


@lru_cache(maxsize=_KEPT)
def local_path(uri: str) -> Path | None:
    """Return the path of a file on this machine; None if the URI names no such file."""
    parts = _split(uri)
    is_local = parts.scheme == "file" and parts.netloc in _THIS_MACHINE
    return Path(unquote(parts.path)) if is_local else None


@lru_cache(maxsize=_KEPT)
def bare_name(uri: str) -> str:
    """Return the last part of a URI's path, "" if it has none."""
    return _path(uri).name


@lru_cache(maxsize=_KEPT)
def path_inside(uri: str, folder: str) -> str | None:
    """Return a URI's path relative to a folder's of the same origin; None if it is outside."""
    parts, folder_parts = _split(uri), _split(folder)
    if parts[:2] != folder_parts[:2] or not _path(uri).is_relative_to(_path(folder)):
        return None
    return str(_path(uri).relative_to(_path(folder)))


def _path(uri: str) -> PurePosixPath:
    return PurePosixPath(unquote(_split(uri).path))


def _split(uri: str) -> SplitResult:
    try:
        return urlsplit(uri)
    except ValueError:  # an unclosed IPv6 bracket
        return SplitResult("", "", uri, "", "")
