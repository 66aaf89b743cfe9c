"""The process inside the sandbox that starts, watches and ends what can't be trusted.

Standard library only, run by path with ``python -S``: nothing else of fimls is in there with it.
It reads jobs from standard input and answers on standard output, each a frame: four bytes of
length, big-endian, then that much JSON.

    trees     the copy of a repository that a job works in
    jobs      one job: started, watched, ended, with every process it started
    confine   what the process takes from itself: rights, files (Landlock), calls (seccomp)
"""

from __future__ import annotations

import base64
import json
import os
import struct
import sys
import typing  # noqa: F401 - what nearly every program imports is loaded before the fork
from pathlib import Path
from typing import IO, Any, NoReturn

from . import confine, jobs, trees

_LENGTH = struct.Struct(">I")
_COLLECTED_BYTES = 32 << 20


def main() -> None:
    """Serve jobs until standard input ends. The one argument is JSON.

    source: a folder to copy for each job, or null. work: an empty folder of ours. uid: whom a job
    runs as, or null. readable: null if there are walls already, else what a job may read.
    """
    settings = json.loads(sys.argv[1])
    # A job's prints must not get into the conversation.
    answers = os.fdopen(os.dup(1), "wb")
    jobs_in = os.fdopen(os.dup(0), "rb")
    os.dup2(2, 1)
    work = Path(settings["work"])
    confine.as_supervisor()
    os.umask(0)
    _write(answers, {"landlock": confine.landlock_version(), "filter": confine.has_filter()})
    while (job := _read(jobs_in)) is not None:
        tree = trees.fresh(settings["source"], work, job["replaced"])
        os.chdir(tree)
        others = jobs.count_of(settings["uid"])
        result = jobs.watch(lambda: _start(settings, job), job["limits"], others)
        if settings["source"] is not None:
            changed = trees.changed(settings["source"], tree, job["protected"])
            result["violations"] += [f"changed {path}" for path in changed]
        files = trees.collect(tree, job["collected"], _COLLECTED_BYTES)
        result["files"] = {path: base64.b64encode(data).decode() for path, data in files.items()}
        os.chdir("/")
        trees.empty(work)
        _write(answers, result)


def _start(settings: dict[str, Any], job: dict[str, Any]) -> NoReturn:
    """Run the job, in the child."""
    work = settings["work"]
    confine.become(settings["uid"])
    if settings["readable"] is not None:
        confine.wall_in(settings["readable"], work)
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": f"{work}/home",
        "TMPDIR": f"{work}/tmp",  # noqa: S108 - the job's own
        "USER": "sandbox",
        "LOGNAME": "sandbox",
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        **job["environment"],
    }
    if job["program"] is None:
        jobs.command(job["command"], environment)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[0] = ""
    jobs.program(job["program"])


def _read(file: IO[bytes]) -> dict[str, Any] | None:
    header = file.read(_LENGTH.size)
    if len(header) < _LENGTH.size:
        return None
    frame: dict[str, Any] = json.loads(file.read(*_LENGTH.unpack(header)))
    return frame


def _write(file: IO[bytes], frame: dict[str, Any]) -> None:
    data = json.dumps(frame).encode()
    file.write(_LENGTH.pack(len(data)) + data)
    file.flush()
