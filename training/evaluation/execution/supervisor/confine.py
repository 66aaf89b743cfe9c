"""What a process takes from itself before it runs what may not be trusted.

Where bubblewrap has drawn the walls, rights and limits are enough. Without it, Landlock (kernel
5.13; signals from 6.12) keeps files, and a seccomp filter keeps sockets and signals, as far as the
kernel has them. Numbers are those of ``linux/landlock.h``, ``linux/seccomp.h``, ``linux/prctl.h``.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

_SET_DUMPABLE, _SET_SECCOMP, _SET_CHILD_SUBREAPER, _SET_NO_NEW_PRIVS = 4, 22, 36, 38
_FILTER_MODE = 2
_CAPABILITIES_VERSION = 0x20080522
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_RULE_PATH_BENEATH = 1
_SCOPE_ABSTRACT_SOCKETS, _SCOPE_SIGNALS = 1, 2
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_READ = _EXECUTE | _READ_FILE | _READ_DIR
# The rights each version of Landlock handles: 13 at first, then moving, truncating, device control.
_RIGHTS_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | 1 << 14 | 1 << 15
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty")

_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# Sockets, and ways around the filter or into another process.
_DENIED = {
    "x86_64": {"socket": 41, "ptrace": 101, "io_uring_setup": 425, "vm_writev": 311},
    "aarch64": {"socket": 198, "ptrace": 117, "io_uring_setup": 425, "vm_writev": 271},
}
_SIGNALS = {"x86_64": (62, 129, 200, 424), "aarch64": (129, 138, 130, 424)}
_X32_BIT = 0x40000000
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # classic BPF
_ALLOW, _KILL, _EPERM = 0x7FFF0000, 0x80000000, 0x00050000 | 1

_libc = ctypes.CDLL(None, use_errno=True)


def as_supervisor() -> None:
    """Adopt orphans, gain nothing by set-uid files, and can't be looked into by other processes."""
    _prctl(_SET_CHILD_SUBREAPER, 1)
    _prctl(_SET_NO_NEW_PRIVS, 1)
    _prctl(_SET_DUMPABLE, 0)


def become(uid: int | None) -> None:
    """Give up root, and its capabilities with it. None: give up the capabilities alone, if any."""
    if uid is not None:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
    header = struct.pack("=Ii", _CAPABILITIES_VERSION, 0)
    if _libc.capset(header, bytes(24)):  # three sets of 64, empty; no_new_privs keeps them so
        raise OSError(ctypes.get_errno(), "capset")
    _prctl(_SET_DUMPABLE, 1)


def limit(limits: Mapping[str, int], others: int) -> None:
    """Set this process's limits. ``others``: processes of the same user that aren't the job's."""
    cpu_s = limits["cpu_s"]
    _lower(resource.RLIMIT_CPU, cpu_s, cpu_s + 1)  # a warning that can be caught, then the end
    # Not the address space: node and Go reserve far more of it than they use.
    _lower(resource.RLIMIT_DATA, limits["memory_bytes"])
    _lower(resource.RLIMIT_FSIZE, limits["file_bytes"])
    _lower(resource.RLIMIT_NPROC, limits["processes"] + others)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NOFILE, 1024)


def wall_in(readable: Iterable[str], work: str) -> None:
    """Keep this process, and all it starts, to reading ``readable`` and writing under ``work``.

    No sockets; no signals to processes outside. Missing kernel features are left out: see
    :func:`landlock_version` and :func:`has_filter`.
    """
    version = landlock_version()
    if version:
        _landlock(version, readable, work)
    if has_filter():
        signals = () if version >= 6 else _SIGNALS[platform.machine()]
        _filter((*_DENIED[platform.machine()].values(), *signals))


def landlock_version() -> int:
    """Return the version of Landlock the kernel has, 0 for none."""
    version: int = _libc.syscall(_CREATE_RULESET, None, 0, 1)
    return max(0, version)


def has_filter() -> bool:
    """Whether system calls can be filtered on this kernel and processor."""
    return platform.machine() in _AUDIT and Path("/proc/sys/kernel/seccomp").exists()


def _landlock(version: int, readable: Iterable[str], work: str) -> None:
    handled = _RIGHTS_BY_ABI[max(each for each in _RIGHTS_BY_ABI if each <= version)]
    scoped = _SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS if version >= 6 else 0
    attributes = struct.pack("=QQQ", handled, 0, scoped)[: 24 if scoped else 8]
    ruleset = _call(_CREATE_RULESET, attributes, len(attributes), 0)
    rules = [(path, _READ) for path in readable]
    rules += [(path, _READ_FILE | _WRITE_FILE) for path in _DEVICES]
    rules += [(work, handled)]
    for path, rights in rules:
        with suppress(FileNotFoundError):
            handle = os.open(path, os.O_PATH)
            if not Path(path).is_dir():
                rights &= _FILE_RIGHTS  # noqa: PLW2901 - folders have rights that files have not
            rule = struct.pack("=Qi", rights & handled, handle)
            _call(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, 0)
            os.close(handle)
    _call(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _filter(denied: Iterable[int]) -> None:
    """Let every system call through but those; another architecture's calls end the process."""
    program = [
        (_LOAD, 0, 0, 4),  # the architecture
        (_EQUAL, 1, 0, _AUDIT[platform.machine()]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),  # the number of the call
        (_AT_LEAST, 0, 1, _X32_BIT),
        (_RETURN, 0, 0, _KILL),
    ]
    for number in denied:
        program += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _EPERM)]
    program.append((_RETURN, 0, 0, _ALLOW))
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("@HP", len(program), ctypes.addressof(buffer))
    _prctl(_SET_SECCOMP, _FILTER_MODE, header)


def _lower(kind: int, soft: int, hard: int | None = None) -> None:
    """Set a limit, or leave it where a lower one holds already."""
    _, most = resource.getrlimit(kind)
    ceiling = soft if hard is None else hard
    if most != resource.RLIM_INFINITY:
        soft, ceiling = min(soft, most), min(ceiling, most)
    resource.setrlimit(kind, (soft, ceiling))


def _prctl(option: int, *values: int | bytes) -> None:
    padded = [
        ctypes.c_char_p(value) if isinstance(value, bytes) else ctypes.c_ulong(value)
        for value in (*values, 0, 0, 0, 0)[:4]
    ]
    if _libc.prctl(option, *padded):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), f"prctl {option}")


def _call(number: int, *values: int | bytes) -> int:
    result: int = _libc.syscall(number, *values)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), f"syscall {number}")
    return result
