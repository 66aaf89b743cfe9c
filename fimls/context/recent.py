"""What was touched recently: documents in the editor, and uncommitted changes in git."""

from __future__ import annotations

import difflib
import itertools
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fimls.context.query import Region
from fimls.git import DIFF, GitError, NoRepositoryError, added_lines, opened_around

_DOCUMENTS_MAX = 12
_REGIONS_MAX = 8  # of one document
_OPENED_LINES_MAX = 1000
_DIFFED_LINES_MAX = 1500
_MERGED_LINES = 4  # edits this near each other are one
_CHANGES_MAX = 200
_GIT_TIMEOUT_S = 2.0
_DIFF_BYTES_MAX = 2_000_000


@dataclass(frozen=True, slots=True)
class Visit:
    """An open document."""

    path: str
    opened: str
    """Its text when it was opened."""
    text: str
    """Its text now."""


class Visits:
    """The open documents of a folder, the last used at the end. Not thread-safe."""

    def __init__(self) -> None:
        self._visits: dict[str, Visit] = {}

    def opened(self, path: str, text: str) -> None:
        """Note that a document was opened."""
        self._visits.pop(path, None)
        self._visits[path] = Visit(path, text, text)

    def changed(self, path: str, text: str) -> None:
        """Note that a document was edited. Costs nothing: what changed is found when needed."""
        before = self._visits.pop(path, None)
        self._visits[path] = Visit(path, before.opened if before else text, text)

    def closed(self, path: str) -> None:
        """Forget a document."""
        self._visits.pop(path, None)

    def latest(self, but: str) -> tuple[Visit, ...]:
        """Return the other documents, the last used first."""
        others = [visit for visit in reversed(self._visits.values()) if visit.path != but]
        return tuple(others[:_DOCUMENTS_MAX])


def regions(visits: Sequence[Visit]) -> tuple[Region, ...]:
    """Return what was touched, the latest first: all documents' edits, then the documents."""
    edited = [region for visit in visits for region in _edits(visit)]
    opened = [
        Region(visit.path, 0, min(visit.text.count("\n") + 1, _OPENED_LINES_MAX))
        for visit in visits
    ]
    return (*edited, *opened)


def _edits(visit: Visit) -> list[Region]:
    """Return the lines of a document that were edited since it was opened."""
    if visit.text == visit.opened:
        return []
    before, after = visit.opened.split("\n"), visit.text.split("\n")
    head = _common(before, after)
    tail = _common(before[head:][::-1], after[head:][::-1])
    old, new = before[head : len(before) - tail], after[head : len(after) - tail]
    if len(old) + len(new) > _DIFFED_LINES_MAX:  # difflib takes quadratic time
        spans = [(head, head + len(new))]
    else:
        matcher = difflib.SequenceMatcher(None, old, new)
        spans = [
            (head + start, head + end)
            for tag, _, _, start, end in matcher.get_opcodes()
            if tag in {"insert", "replace"}
        ]
    found: list[Region] = []
    for start, end in spans:
        if found and start - found[-1].end_line <= _MERGED_LINES:
            found[-1] = Region(visit.path, found[-1].start_line, end)
        else:
            found.append(Region(visit.path, start, end))
    return found[-_REGIONS_MAX:]


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many lines two texts have in common at their start."""
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


class Changes:
    """The regions of a folder that differ from the last commit. Thread-safe.

    Without git, a repository or a commit there are none. note: why git can't tell, although there
    is a repository; "" if it can.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False
        self.regions: tuple[Region, ...] = ()
        self.note = ""

    def refresh(self) -> None:
        """Ask git again; this takes a few seconds at most."""
        try:
            self.regions, self.note = self._ask(), ""
        except NoRepositoryError:
            self.regions, self.note = (), ""
        except GitError as error:
            self.regions, self.note = (), f"uncommitted changes are not known: {error}"

    def close(self) -> None:
        """End a git process that is running."""
        with self._lock:
            self._closed = True
            if self._process is not None and self._process.poll() is None:
                self._process.kill()

    def _ask(self) -> tuple[Region, ...]:
        with opened_around(self._folder, timeout_s=_GIT_TIMEOUT_S) as git:
            if not git.repository.head():
                return ()
            with self._lock:
                if self._closed:
                    return ()
                question = ("diff", *DIFF, "--diff-filter=AM", "HEAD", "--", ".")
                process = self._process = git.start(self._folder, *question)
            try:
                output, _ = process.communicate(timeout=_GIT_TIMEOUT_S)
            except subprocess.TimeoutExpired as error:
                process.kill()
                process.communicate()
                raise GitError(f"git did not answer within {_GIT_TIMEOUT_S:g} seconds") from error
        if process.returncode != 0 and not self._closed:
            raise GitError(f"git diff failed, with the exit code {process.returncode}")
        found = added_lines(output[:_DIFF_BYTES_MAX].split(b"\n"))
        return tuple(itertools.starmap(Region, itertools.islice(found, _CHANGES_MAX)))
