"""Which walls this machine can put around untrusted code, and the command that puts them up.

bubblewrap where it works: a file system of its own (the system's folders read-only, everything else
absent), no network but a loopback, a process namespace that dies as a whole. Elsewhere a weaker
fallback, which a warning names: Landlock for files, a system call filter against sockets, and
namespaces through ``unshare`` where the kernel lets the user.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from training.types import EvaluationError

SUPERVISOR = Path(__file__).parent / "supervisor"
INSIDE = "/run/fimls"
"""Where a sandbox with a file system of its own has our files, read-only."""
BOX = "/box"
"""The writable folder there: a job's tree, home and temporary folder."""

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_ETC = (
    "/etc/alternatives",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/group",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
)
# With root's rights, bubblewrap needs no user namespace; jobs then run as a user of their own, and
# the supervisor keeps what it needs to start, end and clean up after another user's processes.
_CAPABILITIES = ("CAP_SETUID", "CAP_SETGID", "CAP_KILL", "CAP_DAC_OVERRIDE", "CAP_FOWNER")
_SHARED_MEMORY_BYTES = 64 << 20
_UNSHARE = ("--pid", "--fork", "--kill-child", "--net", "--ipc", "--mount-proc")
_PROBE_TIMEOUT_S = 10


@functools.cache
def missing_walls() -> tuple[str, ...]:
    """Return what judged code can reach here that it shouldn't; the first call tries it out.

    "files": files outside can be read or written. "network": others can be reached.
    "processes": others can be seen or signalled, or some are left behind. "disk": what is written
    is bounded for one file alone, not in all.

    Raises:
        EvaluationError: not Linux: nothing here can be contained.
    """
    if not sys.platform.startswith("linux"):
        raise EvaluationError(
            "completions can only be run where they can be contained",
            hint="judge by execution on Linux, or choose a suite without tests",
        )
    if bubblewrap() is not None:
        return ()
    from training.evaluation.execution.supervisor import confine

    version, filtered = confine.landlock_version(), confine.has_filter()
    walls = {
        "files": version > 0,
        "network": filtered,
        "processes": bool(unshare()) or filtered or version >= 6,
        "disk": False,
    }
    return tuple(name for name, exists in walls.items() if not exists)


@functools.cache
def bubblewrap() -> str | None:
    """Return the path of a bubblewrap that works here, or None."""
    path = shutil.which("bwrap")
    if path is None:
        return None
    works = _works([path, *_namespaces(), "--ro-bind", "/", "/", "--proc", "/proc", "true"])
    return path if works else None


@functools.cache
def unshare() -> tuple[str, ...]:
    """Return the command in front of another that gives it namespaces of its own; () for none."""
    path = shutil.which("unshare")
    if path is None:
        return ()
    user = () if os.getuid() == 0 else ("--user", "--map-current-user")
    command = (path, *user, *_UNSHARE)
    return command if _works([*command, "true"]) else ()


def bubblewrap_command(
    bwrap: str, source: Path | None, readable: Sequence[Path], disk_bytes: int
) -> list[str]:
    """Return the command in front of the supervisor's that walls it in.

    source: the folder that jobs copy, found as ``INSIDE/source``. readable: what else they may
    read, where it is. disk_bytes: of all they write together; it is memory.
    """
    command = [bwrap, *_namespaces(), "--die-with-parent", "--new-session", "--as-pid-1"]
    command += ["--clearenv", "--setenv", "PYTHONHASHSEED", "0"]
    for folder in map(Path, _SYSTEM):
        if folder.is_symlink():
            command += ["--symlink", str(folder.readlink()), str(folder)]
        elif folder.is_dir():
            command += ["--ro-bind", str(folder), str(folder)]
    for path in ("/etc", "/etc/ssl"):  # made on the way, only root could pass
        command += ["--perms", "0755", "--dir", path]
    for path in _ETC:
        command += ["--ro-bind-try", path, path]
    command += ["--proc", "/proc", "--dev", "/dev"]
    command += ["--size", str(_SHARED_MEMORY_BYTES), "--perms", "1777", "--tmpfs", "/dev/shm"]  # noqa: S108 - in there
    command += ["--size", str(disk_bytes), "--perms", "1777", "--tmpfs", BOX]
    if not any(folder.is_relative_to("/tmp") for folder in readable):  # noqa: S108 - a name in there
        command += ["--symlink", f"{BOX}/tmp", "/tmp"]  # noqa: S108 - as above
    command += ["--ro-bind", str(SUPERVISOR), f"{INSIDE}/{SUPERVISOR.name}"]
    if source is not None:
        command += ["--ro-bind", str(source), f"{INSIDE}/source"]
    command += _bound(readable)
    return [*command, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/"]


def _bound(folders: Sequence[Path]) -> list[str]:
    """Return the arguments that show folders where they are, in folders that all may pass."""
    arguments: list[str] = []
    made = {Path("/")}
    for folder in folders:
        if any(folder.is_relative_to(system) for system in _SYSTEM):
            continue
        for parent in reversed(folder.parents):  # left to bubblewrap, only root could pass
            if parent not in made:
                made.add(parent)
                arguments += ["--perms", "0755", "--dir", str(parent)]
        arguments += ["--ro-bind", str(folder), str(folder)]
    return arguments


def system_folders() -> list[str]:
    """Return what every program needs to read: for walls that know files and no file system."""
    return [*_SYSTEM, *_ETC, "/proc", "/sys/devices/system/cpu"]


def reached_by_all(folder: Path) -> bool:
    """Whether every user may look into a folder."""
    return all(each.stat().st_mode & 0o001 for each in (folder, *folder.parents))


def interpreter_folders(interpreter: str) -> list[Path]:
    """Return the folders a Python interpreter reads, its virtual environment's base included."""
    executable = Path.cwd() / interpreter  # a link is the environment's: not resolved
    folders = [executable.parent.parent, executable.resolve().parent.parent]
    return list(dict.fromkeys(folder for folder in folders if folder not in _TOO_MUCH))


_TOO_MUCH = (Path("/"), Path("/usr"), Path.home())


def _namespaces() -> tuple[str, ...]:
    shared = ("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts")
    if os.getuid() != 0:
        return ("--unshare-user", *shared)
    return (*shared, *(part for name in _CAPABILITIES for part in ("--cap-add", name)))


def _works(command: Sequence[str]) -> bool:
    try:
        done = subprocess.run(  # noqa: S603 - our own command
            command, capture_output=True, timeout=_PROBE_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
