"""One job: started, watched and ended, with every process it started (Linux's ``/proc``)."""

from __future__ import annotations

import os
import resource
import selectors
import signal
import sys
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from . import confine

_LOOK_EVERY_S = 0.05
_TAIL_BYTES = 16 << 10
_CHUNK_BYTES = 64 << 10


_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# Fields of /proc/PID/stat after the name in brackets (proc(5) counts from 1, with pid and name).
_STATE, _PARENT, _THREADS, _RESIDENT = 0, 1, 17, 21


class _Output:
    """What came through a pipe: how much, and its tail."""

    def __init__(self, handle: int) -> None:
        self.handle = handle
        self.count = 0
        self.tail = b""
        os.set_blocking(handle, False)

    def read(self) -> bool:
        """Take what is there; whether more may come."""
        try:
            chunk = os.read(self.handle, _CHUNK_BYTES)
        except BlockingIOError:
            return True
        self.count += len(chunk)
        self.tail = (self.tail + chunk)[-_TAIL_BYTES:]
        return bool(chunk)

    def finish(self, most_bytes: int) -> None:
        """Take what dead writers left behind, up to a limit, and close."""
        while self.count <= most_bytes and self.read():
            pass
        os.close(self.handle)


def watch(start: Callable[[], NoReturn], limits: Mapping[str, Any], others: int) -> dict[str, Any]:
    """Run ``start`` in a child process within limits, end all it left, and say what became of it.

    others: processes of the same user that aren't the job's.
    """
    began = time.monotonic()
    pid, outputs = _spawn(start, limits, others)
    status: tuple[int, resource.struct_rusage] | None = None
    killed_by = None
    with selectors.DefaultSelector() as selector:
        for output in outputs:
            selector.register(output.handle, selectors.EVENT_READ, output)
        child = os.pidfd_open(pid)
        selector.register(child, selectors.EVENT_READ)
        looked = began
        while status is None and killed_by is None:
            for key, _ in selector.select(_LOOK_EVERY_S):
                if key.data is not None and not key.data.read():
                    selector.unregister(key.fd)
            status = _reap(pid)
            now = time.monotonic()
            if sum(output.count for output in outputs) > limits["output_bytes"]:
                killed_by = "output"
            elif now - looked > _LOOK_EVERY_S:
                looked = now
                killed_by = "wall" if now - began > limits["wall_s"] else _excess(limits)
        os.close(child)
    left = end_all()
    for output in outputs:
        output.finish(limits["output_bytes"])
    exit_code = None
    if status is not None and killed_by is None:
        exit_code, killed_by = _end(*status, limits)
    return {
        "exit_code": exit_code,
        "killed_by": killed_by,
        "stdout": outputs[0].tail.decode("utf-8", "replace"),
        "stderr": outputs[1].tail.decode("utf-8", "replace"),
        "violations": ["left processes behind"] if left and status is not None else [],
        "wall_s": time.monotonic() - began,
    }


def program(source: str) -> NoReturn:
    """Run a Python program in this process and leave with its exit code."""
    code: object = 0
    try:
        exec(compile(source, "answer.py", "exec"), {"__name__": "__main__"})  # noqa: S102
    except SystemExit as error:
        code = error.code
    except BaseException:  # noqa: BLE001 - whatever it raises is its own failure
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code & 0xFF if isinstance(code, int) else 0 if code is None else 1)


def command(arguments: list[str], environment: dict[str, str]) -> NoReturn:
    """Become another program."""
    try:
        os.execvpe(arguments[0], arguments, environment)  # noqa: S606 - that's what is asked for
    except OSError as error:
        os.write(2, f"{arguments[0]}: {error.strerror}\n".encode())
        os._exit(127)


def _spawn(
    start: Callable[[], NoReturn], limits: Mapping[str, Any], others: int
) -> tuple[int, tuple[_Output, _Output]]:
    """Fork a session of its own with nothing to read, two pipes to write to, and the limits."""
    reads, writes = zip(os.pipe(), os.pipe(), strict=True)
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(writes[0], 1)
            os.dup2(writes[1], 2)
            os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            confine.limit(limits, others)
            start()
        except BaseException:  # noqa: BLE001 - nothing of the child may return into the supervisor
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(126)
    for handle in writes:
        os.close(handle)
    return pid, (_Output(reads[0]), _Output(reads[1]))


def _reap(main: int) -> tuple[int, resource.struct_rusage] | None:
    """Reap all that has ended; return the status of the job's first process if it has."""
    found = None
    while True:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == main:
            found = status, usage


def _excess(limits: Mapping[str, Any]) -> str | None:
    running = descendants()
    if sum(process.threads for process in running) >= limits["processes"]:
        return "processes"
    if sum(process.resident_bytes for process in running) > limits["memory_bytes"]:
        return "memory"
    return None


def _end(
    status: int, usage: resource.struct_rusage, limits: Mapping[str, Any]
) -> tuple[int | None, str | None]:
    """Return the exit code, or what ended it."""
    if not os.WIFSIGNALED(status):
        return os.WEXITSTATUS(status), None
    number = os.WTERMSIG(status)
    spent = usage.ru_utime + usage.ru_stime >= limits["cpu_s"]
    if number == signal.SIGXCPU or (number == signal.SIGKILL and spent):
        return None, "cpu"
    return None, f"signal {number}"


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
    any leaves none that could start another.
    """
    lived = 0
    while found := descendants():
        lived += len(found)
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in found:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, number)
        _reap_all()
    _reap_all()
    return lived


def _reap_all() -> None:
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
