"""From a repository's folder to the files that may be learnt from, and the reasons for the rest."""

from __future__ import annotations

import enum
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fimls.context.exclusions import Exclusions
from fimls.context.reasons import MAX_FILE_BYTES, Exclusion, content_reason
from fimls.syntax import error_count, get_language, language_of
from training.corpus.licences import file_licence, is_allowed, licence_of_texts, licence_texts
from training.types import CorpusFile, Repository

if TYPE_CHECKING:
    import tree_sitter


class Reason(str, enum.Enum):
    """Why a file was dropped, in the words of the report."""

    LANGUAGE = "no grammar"
    EXCLUDED = "ignored"
    SECRET_FILE = "secret file"  # noqa: S105
    GENERATED = "generated"
    MINIFIED = "minified"
    VENDORED = "vendored or built"
    REPOSITORY = "another repository"
    LINK = "link or no regular file"
    BINARY = "binary"
    ENCODING = "not UTF-8"
    TOO_LARGE = "too large"
    TOO_SMALL = "too small"
    DATA = "data"
    TEST = "test"
    NO_LICENCE = "no licence"
    LICENCE = "licence not allowed"
    UNREADABLE = "unreadable"
    DUPLICATE = "duplicate"
    NEAR_DUPLICATE = "near duplicate"
    EVALUATION = "in an evaluation suite"


# The reasons of fimls.context.exclusions; every other is EXCLUDED.
_EXCLUSIONS = {
    Exclusion.SECRET: Reason.SECRET_FILE,
    Exclusion.OUTSIDE: Reason.LINK,
    Exclusion.NO_FILE: Reason.LINK,
    Exclusion.TOO_LARGE: Reason.TOO_LARGE,
    Exclusion.BINARY: Reason.BINARY,
    Exclusion.ENCODING: Reason.ENCODING,
    Exclusion.MINIFIED: Reason.MINIFIED,
    Exclusion.GENERATED: Reason.GENERATED,
    Exclusion.MADE: Reason.VENDORED,
    Exclusion.DATA: Reason.DATA,
}
_TEST = re.compile(
    r"(?:^|/)(?:tests?|testing|__tests__|spec)/|(?:^|/)(?:test_[^/]*|conftest|[^/]*_test)\.\w+$"
    r"|[^/]+\.(?:test|spec)\.[cm]?[jt]sx?$"
)


@dataclass(frozen=True, slots=True)
class Dropped:
    """A file or a whole folder that is not learnt from."""

    path: str
    """Ends in ``/`` for a folder."""
    reason: Reason
    bytes: int = 0
    """The file's size; 0 for a folder, which is not looked into."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A file that is worth reading."""

    path: str
    licence: str
    """Of the nearest folder that has a licence file."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Which files are worth learning from."""

    max_bytes: int = MAX_FILE_BYTES
    """At most ``MAX_FILE_BYTES``."""
    min_chars: int = 100
    """White space doesn't count."""
    tests: bool = True
    """Whether tests are kept: people who write them want completions too."""
    exclude: tuple[str, ...] = ()
    """Patterns in .gitignore's syntax."""


def list_files(
    repository: Repository, *, limits: Limits | None = None
) -> Iterator[Listed | Dropped]:
    """Yield what is worth reading by name, place and size; opens only licences and ignore files.

    Symbolic links are not followed, so there are no loops. A folder with a ``.git`` of its own is
    another repository, with another licence and other commits.
    """
    limits = limits or Limits()
    exclusions = Exclusions(repository.root, limits.exclude)
    yield from _list_folder(repository.root, "", repository.licence, exclusions, limits)


def _list_folder(
    root: Path, base: str, licence: str, exclusions: Exclusions, limits: Limits
) -> Iterator[Listed | Dropped]:
    try:
        with os.scandir(root / base) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError:
        yield Dropped(base, Reason.UNREADABLE)
        return
    if base:
        licence = _own_licence(entries) or licence
    for entry in entries:
        path = f"{base}{entry.name}"
        if not entry.is_symlink() and entry.is_dir(follow_symlinks=False):
            reason = _folder_reason(root / path, exclusions)
            if reason is None:
                yield from _list_folder(root, f"{path}/", licence, exclusions, limits)
            elif entry.name != ".git":
                yield Dropped(f"{path}/", reason)
        else:
            yield _listed(root / path, path, licence, exclusions, limits)


def _listed(
    absolute: Path, path: str, licence: str, exclusions: Exclusions, limits: Limits
) -> Listed | Dropped:
    try:
        status = absolute.lstat()
    except OSError:
        return Dropped(path, Reason.UNREADABLE)
    if stat.S_ISLNK(status.st_mode):  # its target is found in its own place, or is not ours
        return Dropped(path, Reason.LINK)
    language = get_language(language_of(path))
    if language is None or not language.grammar:
        return Dropped(path, Reason.LANGUAGE, status.st_size)
    excluded = exclusions.path_reason(absolute)
    reason = _EXCLUSIONS.get(excluded, Reason.EXCLUDED) if excluded else None
    if reason is None and status.st_size > limits.max_bytes:
        reason = Reason.TOO_LARGE
    if reason is None and not limits.tests and _TEST.search(path):
        reason = Reason.TEST
    return Dropped(path, reason, status.st_size) if reason else Listed(path, licence)


def read_file(
    repository: Repository, listed: Listed, *, public: bool, limits: Limits
) -> CorpusFile | Dropped:
    r"""Read one file. Line ends become ``\n``, and a byte order mark is left out.

    public: whether the licence decides; one's own code needs none.
    """
    path = listed.path
    try:
        with (repository.root / path).open("rb") as stream:
            data = stream.read(limits.max_bytes + 1)  # it may have grown since it was listed
    except OSError:
        return Dropped(path, Reason.UNREADABLE)
    if reason := _content_reason(data, limits):
        return Dropped(path, reason, len(data))
    licence = file_licence(data) or listed.licence
    if public and not is_allowed(licence):
        return Dropped(path, Reason.LICENCE if licence else Reason.NO_LICENCE, len(data))
    text = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    return CorpusFile(repository.name, repository.commit, path, language_of(path), licence, text)


def _content_reason(data: bytes, limits: Limits) -> Reason | None:
    if len(data) > limits.max_bytes:
        return Reason.TOO_LARGE
    if excluded := content_reason(data):
        return _EXCLUSIONS.get(excluded, Reason.EXCLUDED)
    if _is_too_small(data, limits.min_chars):
        return Reason.TOO_SMALL
    return Reason.DATA if is_data(data) else None


def _folder_reason(folder: Path, exclusions: Exclusions) -> Reason | None:
    if os.path.lexists(folder / ".git"):
        return Reason.REPOSITORY
    # The exclusions judge files; of one that doesn't exist they judge its folders alone.
    reason = exclusions.path_reason(folder / "_")
    return _EXCLUSIONS.get(reason, Reason.EXCLUDED) if reason else None


def _own_licence(entries: Sequence[os.DirEntry[str]]) -> str:
    return licence_of_texts(licence_texts(Path(entry.path) for entry in entries))


_DIGITS = tuple(b"%d" % digit for digit in range(10))
_SPACE = b" \t\r\n\f\v"
_LETTERS = bytes([*range(65, 91), *range(97, 123), *range(128, 256)])  # of any alphabet
_MOST_DIGITS = 0.3
_FEWEST_LETTERS = 0.25
_TABLE_HEAD_BYTES = 20_000
_MOST_LITERAL_LINES = 0.8
_LITERALS = (b'"', b"'", b"(", b"[", b"{", b"-", *_DIGITS)

_FREE_ERRORS = 3
_LINES_AN_ERROR = 50


def _is_too_small(data: bytes, min_chars: int) -> bool:
    """Whether fewer than ``min_chars`` characters are not white space."""
    return len(data) < min_chars or (
        len(data) < 20 * min_chars and len(data.translate(None, _SPACE)) < min_chars
    )


def is_data(data: bytes) -> bool:
    """Whether a file is a table rather than a program.

    More than 30 % of it are digits (as in Refact's filter), less than 25 % letters, or 80 % of the
    lines of its first 20 KB begin with a literal.
    """
    solid = len(data.translate(None, _SPACE)) or 1
    if sum(map(data.count, _DIGITS)) > _MOST_DIGITS * solid:
        return True
    if len(data) - len(data.translate(None, _LETTERS)) < _FEWEST_LETTERS * solid:
        return True
    head = data[:_TABLE_HEAD_BYTES]
    if len(head) < _TABLE_HEAD_BYTES:
        return False
    lines = head.split(b"\n")
    literal = sum(line.lstrip().startswith(_LITERALS) for line in lines)
    return literal > _MOST_LITERAL_LINES * len(lines)


def is_broken(tree: tree_sitter.Tree) -> bool:
    """Whether a tree has so many errors that its nodes can't be trusted.

    More than 3, and more than one in 50 lines. Such files are not dropped, but no spans by syntax
    are drawn from them: parsing reads 5 MB/s, slower than all the work of this package together.
    """
    if not tree.root_node.has_error:
        return False
    lines = tree.root_node.end_point.row + 1
    return error_count(tree) > max(_FREE_ERRORS, lines // _LINES_AN_ERROR)
