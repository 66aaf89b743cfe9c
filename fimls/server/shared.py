"""One server for several editors: this process passes bytes on to it, and starts it if need be.

Nothing heavy is imported, since an editor is waiting. The server listens at a Unix
socket in a folder that only its owner may enter; there is one for each version, home and set of
command-line settings. Each editor's session in it has its own documents and settings; what they
share is the process and, where their settings name the same one, the engine.

The messages travel as they are. After the last, the server sends a zero byte, which no message
holds, and the session's exit code; a stream that ends without them was a crash.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from fimls import IMPORT_ROOT, __version__
from fimls.server.logs import open_for_owner
from fimls.types import FimlsError

END = b"\0"
"""Sent after the last message, before the exit code."""

LISTENING = b"listening\n"
"""What the server prints once it can be connected to."""

_PLACES = (
    "HOME",
    "PYTHONPATH",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
)
"""Environment variables that say where things are; the others may differ between windows."""
_CRASHED = 1
_CHUNK_BYTES = 65_536
_START_TIMEOUT_S = 15.0
_ADDRESS_BYTES_MAX = 100  # of a Unix socket, on the strictest system

_log = logging.getLogger(__name__)


class NotSharedError(FimlsError):
    """No server can be shared here; the caller serves by itself."""


def serve_shared(settings: Mapping[str, object], *, replace: bool = False) -> int:
    """Pass standard input and output on to the shared server; return the session's exit code.

    settings: the command line's. replace: start a new server even if one is running, which keeps
    its present sessions.

    Raises:
        NotSharedError: this system has no such servers, or it doesn't start.
    """
    path = address(settings)
    connection = _connect_or_start(path, settings, replace=replace)
    _log.info("connected to a shared server, which logs to %s", log_path(path))
    threading.Thread(target=_send, args=(connection,), name="fimls-stdin", daemon=True).start()
    return _receive(connection)


def address(settings: Mapping[str, object]) -> Path:
    """Where the server for these settings listens; the folder is made, and is its owner's alone.

    Raises:
        NotSharedError: there are no Unix sockets here, or the folder is somebody else's.
    """
    if not hasattr(socket, "AF_UNIX") or os.name != "posix":
        raise NotSharedError("this system has no Unix sockets")
    environment = sorted(
        (name, value)
        for name, value in os.environ.items()
        if name in _PLACES or name.startswith("FIMLS_")
    )
    identity = [__version__, sys.executable, __file__, environment, sorted(settings.items())]
    digest = hashlib.sha256(json.dumps(identity, default=str).encode()).hexdigest()[:16]
    folder = platformdirs.user_runtime_path("fimls")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Whoever owns the folder above could put another in its place; there it is often /tmp.
        owners = (folder.parent.stat().st_uid, folder.stat().st_uid)
        mine = owners in {(os.getuid(), os.getuid()), (0, os.getuid())}
        folder.chmod(0o700)
    except OSError as error:
        raise NotSharedError(f"{folder}: {error.strerror or error}") from error
    path = folder / f"{digest}.sock"
    if not mine or len(os.fsencode(path)) > _ADDRESS_BYTES_MAX:
        raise NotSharedError(f"{path} can't be listened at")
    return path


def log_path(listening_at: Path) -> Path:
    """Where the server that listens there logs: in the user's folder of logs."""
    return platformdirs.user_log_path("fimls") / f"server-{listening_at.stem}.log"


def _connect_or_start(
    path: Path, settings: Mapping[str, object], *, replace: bool
) -> socket.socket:
    if not replace and (connection := _connect(path)) is not None:
        return connection
    try:
        with FileLock(path.with_suffix(".lock"), timeout=_START_TIMEOUT_S):
            if not replace and (connection := _connect(path)) is not None:
                return connection  # another editor was faster
            _start(path, settings)
            connection = _connect(path)
    except (OSError, Timeout) as error:
        raise NotSharedError(f"{path}: {error}") from error
    if connection is None:
        raise NotSharedError("the shared server did not start", hint=f"its log is {log_path(path)}")
    return connection


def _connect(path: Path) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(str(path))
    except OSError:  # nobody listens there, or never did
        connection.close()
        return None
    return connection


def _start(path: Path, settings: Mapping[str, object]) -> None:
    """Start a server of its own process group, and wait until it listens or has died."""
    path.unlink(missing_ok=True)
    with open_for_owner(log_path(path)) as log:
        server = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", "fimls.server.listener", str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=IMPORT_ROOT,
            start_new_session=True,
        )
    assert server.stdin is not None
    assert server.stdout is not None
    timer = threading.Timer(_START_TIMEOUT_S, server.kill)
    timer.start()
    with contextlib.suppress(BrokenPipeError):
        server.stdin.write(json.dumps(dict(settings)).encode())
        server.stdin.close()
    listening = server.stdout.readline() == LISTENING
    timer.cancel()
    server.stdout.close()
    if not listening:
        server.kill()
        server.wait()
    # Otherwise it may outlive this process, and nobody waits for it.


def _send(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := os.read(0, _CHUNK_BYTES):
            connection.sendall(data)
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_WR)


def _receive(connection: socket.socket) -> int:
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while data := connection.recv(_CHUNK_BYTES):
            messages, end, code = data.partition(END)
            _write(messages)
            if end:
                return int(code or connection.recv(1) or b"%d" % _CRASHED)
    _log.error("the shared server has gone")
    return _CRASHED


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]
