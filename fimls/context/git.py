"""Uncommitted changes, as ``git diff`` tells them. No git, no repository: no changes."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from pathlib import Path

from fimls.context.query import Region

_TIMEOUT_S = 2.0
_OUTPUT_BYTES_MAX = 2_000_000
_REGIONS_MAX = 200
_FILE = re.compile(rb"^\+\+\+ b/(.+)$")
_HUNK = re.compile(rb"^@@ -\S+ \+(\d+)(?:,(\d+))? @@")
SAFE_GIT = (
    *("git", "--no-optional-locks"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.quotepath=false"),
)
"""How every question to a repository begins: its own configuration may name programs (a file system
monitor, tools that show diffs), and none may be started, nothing written, no password asked for."""

_COMMAND = (
    *SAFE_GIT,
    "diff",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--no-renames",
    "--ignore-submodules",
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
    """The regions of a folder that differ from the last commit. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False
        self.regions: tuple[Region, ...] = ()

    def refresh(self) -> None:
        """Ask git again; takes up to 2 s. What git can't tell in that time, is no change."""
        with self._lock:
            if self._closed:
                return
            try:
                self._process = subprocess.Popen(  # noqa: S603  no shell, no input of others
                    _COMMAND,
                    cwd=self._folder,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
                )
            except OSError:  # no git here, or the folder is gone
                self.regions = ()
                return
            process = self._process
        try:
            output, _ = process.communicate(timeout=_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            output = b""
        # With an error (no repository, no commit yet) there is no output.
        self.regions = parse_diff(output[:_OUTPUT_BYTES_MAX])

    def close(self) -> None:
        """End a git that is running."""
        with self._lock:
            self._closed = True
            if self._process is not None and self._process.poll() is None:
                self._process.kill()


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
