"""Who runs under the warden, what they use, and the end of them all. Linux's ``/proc``."""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# Fields of /proc/PID/stat behind the name in brackets (proc(5) counts from 1, with pid and name).
_STATE, _PARENT, _THREADS, _RESIDENT = 0, 1, 17, 21


@dataclass(frozen=True)
class Process:
    """A process as the kernel lists it; ``resident_bytes`` counts shared memory too."""

    pid: int
    parent: int
    threads: int
    resident_bytes: int


def descendants() -> list[Process]:
    """Return every living process under this one; in a pid namespace of ours, all but us."""
    children: dict[int, list[Process]] = defaultdict(list)
    for process in _all():
        children[process.parent].append(process)
    found: list[Process] = []
    pending = [os.getpid()]
    while pending:
        mine = children.pop(pending.pop(), [])
        found += mine
        pending += [process.pid for process in mine]
    return found


def count_of(uid: int | None) -> int:
    """Return how many processes and threads a user (None: this one) has in sight."""
    user = os.getuid() if uid is None else uid
    count = 1  # we: what can't be looked into seems root's
    for process in _all():
        with suppress(OSError):
            if Path("/proc", str(process.pid)).stat().st_uid == user:
                count += process.threads
    return count


def end_all() -> int:
    """Kill every process under this one and reap it; return how many of them still lived.

    As a subreaper or as a namespace's first process, orphans are ours. Stopping all before killing
    any leaves nobody who could start another.
    """
    lived = 0
    while found := descendants():
        lived += len(found)
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in found:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, number)
        _reap()
    _reap()
    return lived


def _reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _all() -> Iterator[Process]:
    for path in Path("/proc").iterdir():
        if not path.name.isdigit():
            continue
        try:
            stat = (path / "stat").read_bytes()
        except OSError:  # it has just ended
            continue
        fields = stat[stat.rindex(b")") + 2 :].split()
        if fields[_STATE] not in b"ZX":
            yield Process(
                int(path.name),
                int(fields[_PARENT]),
                int(fields[_THREADS]),
                int(fields[_RESIDENT]) * _PAGE_BYTES,
            )
