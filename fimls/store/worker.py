"""Runs the conversion in another process and brings its progress and errors back."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import fimls
from fimls import types
from fimls.progress import Progress
from fimls.types import FimlsError, StoreError

_STDERR_TAIL_BYTES = 2000


def convert_in_subprocess(
    source: Path,
    folder: Path,
    *,
    quantization: str,
    adapter: Path | None,
    progress: Progress,
) -> None:
    """Run :func:`fimls.store.convert.convert` in a process of its own.

    Raises:
        FimlsError: as raised there. StoreError: the process died.
        OSError: with errno ENOSPC, where the disk is full.
    """
    command = [sys.executable, "-m", "fimls.store.convert", str(source), str(folder)]
    command += ["--quantization", quantization]
    if adapter is not None:
        command += ["--adapter", str(adapter)]
    with tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(  # noqa: S603 - our own module
            command,
            # `-m` imports from the current folder first, which may be anybody's repository.
            cwd=folder,
            env={**os.environ, "PYTHONPATH": _python_path()},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            encoding="utf-8",
        )
        error: FimlsError | None = None
        try:
            assert process.stdout is not None
            with process.stdout:
                for line in process.stdout:
                    error = _handle(json.loads(line), progress) or error
            process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if error is not None:
            raise error
        if process.returncode != 0:
            stderr.seek(max(0, stderr.seek(0, os.SEEK_END) - _STDERR_TAIL_BYTES))
            _raise_death(process.returncode, stderr.read().decode("utf-8", "replace"))


def _python_path() -> str:
    here = str(Path(fimls.__file__).resolve().parent.parent)
    inherited = os.environ.get("PYTHONPATH")
    return here if not inherited else here + os.pathsep + inherited


def _handle(event: dict[str, Any], progress: Progress) -> FimlsError | None:
    if "progress" in event:
        progress(*event["progress"])
        return None
    kind: type[FimlsError] = getattr(types, event["error"])
    return kind(event["message"], hint=event["hint"])


def _raise_death(status: int, stderr: str) -> None:
    if os.strerror(errno.ENOSPC) in stderr:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    lines = [line for line in stderr.splitlines() if line.strip()]
    reason = lines[-1].strip() if lines else "it said nothing"
    how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
    raise StoreError(
        f"the conversion {how}: {reason}",
        hint="signal 9 usually means too little memory: close something, or take a smaller model"
        if status < 0
        else "",
    )
