"""Stands between an editor and the server, and notes when the server has answered with items.

usage: relay.py LOG PROGRAM ARGUMENT...

The log has a line for each such answer: seconds since the epoch. Nothing that passes is changed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

_NOTED_S = 30.0


def relay_script(folder: Path, program: Path) -> tuple[Path, Path]:
    """A program that is ``program`` behind a relay, and the relay's log."""
    log, script = folder / "answers.log", folder / "relayed"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "{log}" "{program}" "$@"\n')
    script.chmod(0o755)
    return script, log


def answers(log: Path) -> list[float]:
    """When the server answered, oldest first."""
    return [float(line) for line in log.read_text().split()] if log.exists() else []


def next_time(times: Callable[[], list[float]], known: int) -> float:
    """The newest time, once there are more than ``known``: what happens is noted a moment later.

    Raises:
        TimeoutError: it isn't.
    """
    until = time.monotonic() + _NOTED_S
    while len(found := times()) <= known:
        if time.monotonic() > until:
            raise TimeoutError(f"{len(found)} times were noted, and no more")
        time.sleep(0.005)
    return found[-1]


def _to_server(editor: IO[bytes], server: IO[bytes]) -> None:
    while data := editor.read1(1 << 16):  # type: ignore[attr-defined]  # a BufferedReader
        server.write(data)
        server.flush()
    server.close()


def _to_editor(server: IO[bytes], editor: IO[bytes], log: Path) -> None:
    while header := server.readline():
        length = int(header.removeprefix(b"Content-Length:"))
        while (line := server.readline()) not in {b"\r\n", b""}:
            header += line
        body = server.read(length)
        editor.write(header + b"\r\n" + body)
        editor.flush()
        now = time.time()
        result = json.loads(body).get("result")
        if isinstance(result, dict) and result.get("items"):
            with log.open("a") as out:
                out.write(f"{now:.6f}\n")


def main() -> int:
    """Run the program until it ends."""
    log, *command = sys.argv[1:]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        if process.stdin is None or process.stdout is None:
            raise AssertionError("both are pipes")
        threading.Thread(
            target=_to_server, args=(sys.stdin.buffer, process.stdin), daemon=True
        ).start()
        _to_editor(process.stdout, sys.stdout.buffer, Path(log))
        return process.wait()


if __name__ == "__main__":
    sys.exit(main())
