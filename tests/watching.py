"""Whatever a process and its children try to reach, and what they leave in the home directory.

Every process here is Python's, so a hook that each of them installs as it starts sees their
connections: it is on the path by which they import. Native code is seen by strace alone.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

_HOOK = """
import json, os, sys

_HERE = {"", "localhost", "127.0.0.1", "::1", "0.0.0.0", None}
_LOOKUPS = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}
_SENDS = {"socket.connect", "socket.sendto", "socket.sendmsg"}


def _write(line):
    handle = os.open(os.environ["WATCH_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(handle, json.dumps(line).encode() + b"\\n")
    os.close(handle)


def _watch(event, arguments):
    if event in _LOOKUPS:
        host = arguments[0]
    elif event in _SENDS and isinstance(arguments[1], tuple):  # a path is a local socket's
        host = arguments[1][0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host not in _HERE:
        _write([event, host])
        raise ConnectionRefusedError(f"this is watched: {event} {host}")


if "WATCH_LOG" in os.environ:
    sys.addaudithook(_watch)
    _write(["process", sys.orig_argv])
"""

_POINTING = ("XDG_", "HF_", "TRANSFORMERS_", "DO_NOT_TRACK", "DISABLE_TELEMETRY", "CI", "GITHUB_")


@dataclass(frozen=True)
class Watch:
    """home: the home directory of those that are watched."""

    home: Path
    log: Path

    def _events(self) -> list[tuple[str, object]]:
        lines = self.log.read_text("utf-8").splitlines() if self.log.exists() else []
        return [(event, what) for event, what in map(json.loads, lines)]

    @property
    def reached(self) -> list[tuple[str, object]]:
        """Lookups of other machines and connections to them, tried and refused."""
        return [one for one in self._events() if one[0] != "process"]

    @property
    def processes(self) -> str:
        """The command lines of all processes that were watched."""
        return "\n".join(" ".join(what) for _, what in self._events() if isinstance(what, list))

    @property
    def left(self) -> list[str]:
        """Files in the home directory that are not in a folder of fimls'."""
        files = (path.relative_to(self.home) for path in self.home.rglob("*") if path.is_file())
        return sorted(str(path) for path in files if "fimls" not in path.parts)


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Watch all children of the test; nothing in their environment says not to report."""
    hook, home = tmp_path / "hook", tmp_path / "person"
    hook.mkdir()
    home.mkdir()
    (hook / "sitecustomize.py").write_text(_HOOK, encoding="utf-8")
    for name in [name for name in os.environ if name.startswith(_POINTING)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WATCH_LOG", str(tmp_path / "watched.jsonl"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(hook), str(ROOT)]))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    return Watch(home, tmp_path / "watched.jsonl")
