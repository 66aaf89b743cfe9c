"""Uncommitted changes, as ``git diff`` tells them. No git, no repository: no changes."""

from __future__ import annotations

import re
import subprocess
import threading
from pathlib import Path

from fimls.context.query import Region
from fimls.git import GitError, NoRepositoryError, opened_around

_TIMEOUT_S = 2.0
_OUTPUT_BYTES_MAX = 2_000_000
_REGIONS_MAX = 200
_FILE = re.compile(rb"^\+\+\+ b/(.+)$")
_HUNK = re.compile(rb"^@@ -\S+ \+(\d+)(?:,(\d+))? @@")
_QUESTION = (
    "diff",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--no-renames",
    "--ignore-submodules=all",
    "--relative",
    "--diff-filter=AM",
    "--src-prefix=a/",
    "--dst-prefix=b/",
    "--unified=0",
    "HEAD",
    "--",
    ".",
)


class Changes:
    """The regions of a folder that differ from the last commit. Thread-safe.

    note: why git, where there is a repository, can't tell; "" if it can.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False
        self.regions: tuple[Region, ...] = ()
        self.note = ""

    def refresh(self) -> None:
        """Ask git again; takes a few seconds at most. What git can't tell then, is no change."""
        try:
            self.regions, self.note = self._ask(), ""
        except NoRepositoryError:
            self.regions, self.note = (), ""
        except GitError as error:
            self.regions, self.note = (), f"uncommitted changes are not known: {error}"

    def close(self) -> None:
        """End a git that is running."""
        with self._lock:
            self._closed = True
            if self._process is not None and self._process.poll() is None:
                self._process.kill()

    def _ask(self) -> tuple[Region, ...]:
        with opened_around(self._folder, timeout_s=_TIMEOUT_S) as git:
            if not git.repository.head():
                return ()
            with self._lock:
                if self._closed:
                    return ()
                process = self._process = git.start(self._folder, *_QUESTION)
            try:
                output, _ = process.communicate(timeout=_TIMEOUT_S)
            except subprocess.TimeoutExpired as error:
                process.kill()
                process.communicate()
                raise GitError(f"git did not answer within {_TIMEOUT_S:g} seconds") from error
        if process.returncode != 0 and not self._closed:
            raise GitError(f"git diff failed, with the exit code {process.returncode}")
        return parse_diff(output[:_OUTPUT_BYTES_MAX])


def parse_diff(output: bytes) -> tuple[Region, ...]:
    """Read the new side's line ranges from a diff without context lines.

    Deleted lines leave an empty range, which says nothing and is dropped; so are paths that git
    puts in quotes.
    """
    regions: list[Region] = []
    path = ""
    for line in output.split(b"\n"):
        if not path and (match := _FILE.match(line)):  # an added line may look like it
            path = match[1].decode("utf-8", "replace").rstrip("\t")
        elif path and (match := _HUNK.match(line)):
            start, count = int(match[1]), int(match[2] or 1)
            if count:
                regions.append(Region(path, start - 1, start - 1 + count))
                if len(regions) == _REGIONS_MAX:
                    break
        elif line.startswith(b"diff --git"):
            path = ""
    return tuple(regions)
