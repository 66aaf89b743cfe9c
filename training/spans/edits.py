"""Places where people added lines: hunks of a repository's latest commits, from git."""

from __future__ import annotations

import random
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from fimls.git import DIFF, Git, GitError, added_lines, opened_around
from fimls.text import LineIndex
from training.spans.draw import CHARS_MAX, adjust
from training.types import Span, SpanKind

COMMITS_MAX = 500
"""Older commits say less about the lines that come next."""

_LOG_BYTES_MAX = 64_000_000
_TIMEOUT_S = 60.0
_FILE_BYTES_MAX = 1_000_000
_LINES_MAX = 20  # longer hunks are code that was moved or generated, not typed
_LOG = (
    *("log", f"--max-count={COMMITS_MAX}", "--no-merges", "--format=commit %H"),
    *("--no-show-signature", "--patch", *DIFF, "--diff-filter=M", "--", "."),
)


@dataclass(frozen=True, slots=True)
class Edit:
    """A middle that somebody wrote."""

    commit: str
    path: str
    text: str
    """The whole file after that commit."""
    span: Span


_Hunk = tuple[str, str, int, int]
"""A commit, a path, and the added lines: the first, from 0, and the one after the last."""


def edits(
    root: Path, *, count: int, rng: random.Random, wanted: Callable[[str], bool]
) -> Iterator[Edit]:
    """Draw at most ``count`` edits of the latest commits' changes to files that existed before.

    wanted: whether a file may be learnt from, by its path relative to ``root``. There are no edits
    without git or a repository, or if the history can't be read in time.
    """
    if count <= 0:
        return
    try:
        with opened_around(root) as git:
            yield from _drawn(git, root, count, rng, wanted)
    except GitError:  # there is no git or no repository
        return


def _drawn(
    git: Git, root: Path, count: int, rng: random.Random, wanted: Callable[[str], bool]
) -> Iterator[Edit]:
    hunks = [hunk for hunk in _hunks(_log(git, root)) if wanted(hunk[1])]
    rng.shuffle(hunks)
    found = 0
    with _reading(git, root) as read:
        for commit, path, start_line, end_line in hunks:
            text = read(f"{commit}:./{path}")
            span = _span(text, start_line, end_line, rng) if text else None
            if text and span:
                yield Edit(commit, path, text, span)
                found += 1
            if found == count:
                return


def _hunks(lines: Sequence[bytes]) -> list[_Hunk]:
    """Read the hunks with a few added lines from a log, the newest first."""
    # A diff's own lines begin with other signs.
    starts = [at for at, line in enumerate(lines) if line.startswith(b"commit ")]
    ends = [*starts[1:], len(lines)]
    return [
        (lines[at][7:].decode("ascii", "replace"), path, start_line, end_line)
        for at, end in zip(starts, ends, strict=False)
        for path, start_line, end_line in added_lines(lines[at + 1 : end])
        if end_line - start_line <= _LINES_MAX
    ]


def _span(text: str, start_line: int, end_line: int, rng: random.Random) -> Span | None:
    """Return the added lines without surrounding white space, cut where a cursor could be."""
    index = LineIndex(text)
    if end_line > index.line_count:
        return None
    start = index.starts[start_line]
    end = index.line_bounds(end_line - 1)[1]
    added = text[start:end]
    start += len(added) - len(added.lstrip())
    end -= len(added) - len(added.rstrip())
    if not 0 < end - start <= CHARS_MAX:
        return None
    span = adjust(text, Span(start, end, SpanKind.EDIT), rng)
    return span if span.end - span.start <= CHARS_MAX else None


def _log(git: Git, root: Path) -> list[bytes]:
    """Return the log's lines; it is cut where it gets long or slow."""
    process = git.start(root, *_LOG)
    timer = threading.Timer(_TIMEOUT_S, process.kill)
    timer.start()
    try:
        assert process.stdout is not None
        return process.stdout.read(_LOG_BYTES_MAX).split(b"\n")
    finally:
        timer.cancel()
        _end(process)


@contextmanager
def _reading(git: Git, root: Path) -> Iterator[Callable[[str], str | None]]:
    """Yield a function that reads files of commits through one git process."""
    process: subprocess.Popen[bytes] | None = None

    def read(name: str) -> str | None:
        nonlocal process
        if "\n" in name:
            return None
        if process is None:
            process = git.start(root, "cat-file", "--batch")
        assert process.stdin is not None
        assert process.stdout is not None
        timer = threading.Timer(_TIMEOUT_S, process.kill)
        timer.start()
        try:
            process.stdin.write(name.encode("utf-8", "surrogateescape") + b"\n")
            process.stdin.flush()
            return _blob(process.stdout)
        except BrokenPipeError:  # it has died, or was too slow
            return None
        finally:
            timer.cancel()

    try:
        yield read
    finally:
        if process is not None:
            _end(process)


def _blob(output: IO[bytes]) -> str | None:
    """Read one answer of ``git cat-file --batch``; None if it isn't text, or is too large."""
    _, _, rest = output.readline().partition(b" ")
    kind, _, size = rest.strip().partition(b" ")
    if not size.isdigit():  # "missing"
        return None
    data = output.read(int(size))
    output.read(1)
    if kind != b"blob" or len(data) > _FILE_BYTES_MAX or b"\0" in data:
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()
