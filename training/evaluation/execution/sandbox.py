"""Run code that can't be trusted, contained.

A :class:`Sandbox` is one supervisor process behind the walls that :mod:`.protection` finds; it runs
jobs one after the other, each in a fresh copy of a folder. A job that brings its sandbox down costs
its own result: the next one starts another sandbox.
"""

from __future__ import annotations

import atexit
import base64
import functools
import json
import logging
import os
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from training.evaluation.execution import protection
from training.types import EvaluationError

_log = logging.getLogger(__name__)

_LENGTH = struct.Struct(">I")
_MOST_ANSWER_BYTES = 256 << 20
_START_TIMEOUT_S = 20.0
_GRACE_S = 15.0  # beyond a job's own time: copying, ending, collecting
_FIRST_UID, _UIDS = 61_000, 1_000  # nobody's: above Debian's users, below 65534
_BOOT = "import sys; sys.path[0] = {folder!r}; from supervisor import main; main()"
DISK_BYTES = 512 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may use; reaching any limit ends it, with everything it started."""

    cpu_s: int = 10
    """Processor seconds of one process."""
    wall_s: float = 20.0
    """From start to end."""
    memory_bytes: int = 2 << 30
    """Of one process's private memory, and of all its processes together."""
    processes: int = 64
    """Processes and threads at the same time."""
    file_bytes: int = 16 << 20
    """Of one file."""
    output_bytes: int = 4 << 20
    """Standard output and error together."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    exit_code: int | None
    """None if it was killed or died by a signal."""
    killed_by: str | None = None
    """The limit it reached ("wall", "cpu", "memory", "processes", "output"), "signal N", or
    "sandbox" if it brought the sandbox down; None if it ended by itself."""
    stdout: str = ""
    """Its tail."""
    stderr: str = ""
    """Its tail."""
    violations: tuple[str, ...] = ()
    """What it did besides: "left processes behind", "changed PATH"."""
    wall_s: float = 0.0
    files: Mapping[str, bytes] = field(default_factory=dict)
    """The bytes of what was to be collected."""

    @property
    def ended(self) -> bool:
        """Whether it came to an end by itself and touched nothing that was to stay as it was."""
        changed = any(violation.startswith("changed ") for violation in self.violations)
        return self.killed_by is None and self.exit_code is not None and not changed


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an answer does what it must; ``detail`` says in a few words why not."""

    passed: bool
    detail: str = ""


class Sandbox:
    """A place to run jobs in, one at a time; a context manager.

    source: the folder each job gets a copy of, never changed; None for an empty one. readable:
    other folders jobs may read (interpreters, installed dependencies). disk_bytes: of all that a
    job may write, the copy included, where the walls can count it.
    """

    def __init__(
        self,
        source: Path | None = None,
        *,
        readable: Sequence[Path] = (),
        disk_bytes: int = DISK_BYTES,
    ) -> None:
        self.source = None if source is None else source.resolve()
        own = protection.interpreter_folders(sys.executable)
        self._readable = tuple(dict.fromkeys([*own, *readable]))
        self._disk_bytes = disk_bytes
        self._process: subprocess.Popen[bytes] | None = None
        self._box: Path | None = None
        self._errors: IO[bytes] | None = None

    def __enter__(self) -> Sandbox:  # noqa: PYI034 - no Self before 3.11
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def tree(self) -> str:
        """Where jobs find their copy of the source, and where they start.

        Raises:
            EvaluationError: the sandbox doesn't start.
        """
        self._start()  # without bubblewrap its folder is made then
        return f"{self._folder()}/tree"

    def run(
        self,
        command: Sequence[str],
        *,
        limits: Limits | None = None,
        replaced: Mapping[str, str] | None = None,
        protected: Sequence[str] = (),
        collected: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Run a command in a fresh copy of the source, end all it started, say what became of it.

        replaced: new text for files of the copy. protected: its files that must be unchanged at the
        end. collected: patterns of files to bring back. environment: what it gets besides the few
        variables every job has; nothing is inherited.

        Raises:
            EvaluationError: the sandbox doesn't start.
        """
        job = {
            "command": list(command),
            "program": None,
            "replaced": dict(replaced or {}),
            "protected": list(protected),
            "collected": list(collected),
            "environment": dict(environment or {}),
        }
        return self._run(job, limits or Limits())

    def run_program(self, program: str, *, limits: Limits | None = None) -> Outcome:
        """Run a Python program by this interpreter and its standard library: a fork, no start.

        Raises:
            EvaluationError: the sandbox doesn't start.
        """
        job: dict[str, Any] = {
            "command": None,
            "program": program,
            "replaced": {},
            "protected": [],
            "collected": [],
            "environment": {},
        }
        return self._run(job, limits or Limits())

    def close(self) -> None:
        """End the sandbox, whatever it is doing."""
        if self._process is not None:
            if self._process.poll() is None:
                self._process.kill()
            for pipe in (self._process.stdin, self._process.stdout):
                assert pipe is not None, "both are pipes"
                try:
                    pipe.close()
                except BrokenPipeError:  # what was still to be written has no reader now
                    continue
            self._process.wait()
            self._process = None
        if self._errors is not None:
            self._errors.close()
            self._errors = None
        if self._box is not None:
            shutil.rmtree(self._box, ignore_errors=True)
            self._box = None

    def _run(self, job: dict[str, Any], limits: Limits) -> Outcome:
        self._start()
        began = time.monotonic()
        job["limits"] = {name: getattr(limits, name) for name in limits.__slots__}
        try:
            self._send(job)
            answer = self._receive(limits.wall_s + _GRACE_S)
        except (EOFError, TimeoutError, BrokenPipeError):
            said = self._last_words()
            self.close()
            spent_s = time.monotonic() - began
            return Outcome(None, killed_by="sandbox", stderr=said, wall_s=spent_s)
        answer["violations"] = tuple(answer["violations"])
        files = answer.pop("files")
        decoded = {path: base64.b64decode(data) for path, data in files.items()}
        return Outcome(**answer, files=decoded)

    def _start(self) -> None:
        """Start the supervisor if it isn't running."""
        if self._process is not None and self._process.poll() is None:
            return
        self.close()
        _warn_once(protection.missing_walls())
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            self._command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={"PYTHONHASHSEED": "0", "PATH": os.defpath},
            cwd="/",
            start_new_session=True,
        )
        try:
            self._receive(_START_TIMEOUT_S)
        except (EOFError, TimeoutError) as error:
            said = self._last_words()
            self.close()
            raise EvaluationError(
                f"the sandbox doesn't start: {said or 'it says nothing'}",
                hint="installing bubblewrap may help",
            ) from error

    def _command(self) -> list[str]:
        """Return the command that starts the supervisor behind the walls this machine has."""
        bwrap = protection.bubblewrap()
        source = None if self.source is None else str(self.source)
        readable: list[str] | None = None
        inside = str(protection.SUPERVISOR.parent)
        if bwrap is not None:
            walls = protection.bubblewrap_command(
                bwrap, self.source, self._readable, self._disk_bytes
            )
            inside = protection.INSIDE
            source = source and f"{inside}/source"
        else:
            self._box = Path(tempfile.mkdtemp(prefix="fimls-"))
            walls = list(protection.unshare())
            readable = [*protection.system_folders(), *map(str, self._readable)]
            self._box.chmod(0o755)  # a job of root's runs as another user
        settings = {
            "source": source,
            "work": self._folder(),
            "readable": readable,
            "uid": self._uid(walled=bwrap is not None),
        }
        python = [sys.executable, "-s", "-S", "-B", "-c", _BOOT.format(folder=inside)]
        return [*walls, *python, json.dumps(settings)]

    def _uid(self, *, walled: bool) -> int | None:
        """Return whom jobs run as: of root's, a user for them alone who can own no other process.

        Without a file system of their own that user must get at all they read; if root alone does,
        jobs stay root's, without its capabilities.
        """
        if os.getuid() != 0:
            return None
        reached = walled or all(map(protection.reached_by_all, self._readable))
        return _FIRST_UID + os.getpid() % _UIDS if reached else None

    def _folder(self) -> str:
        return protection.BOX if self._box is None else str(self._box)

    def _last_words(self) -> str:
        """End the supervisor; return the last line it wrote to standard error."""
        assert self._process is not None
        assert self._errors is not None
        self._process.kill()
        self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else ""

    def _send(self, frame: dict[str, Any]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        data = json.dumps(frame).encode()
        self._process.stdin.write(_LENGTH.pack(len(data)) + data)
        self._process.stdin.flush()

    def _receive(self, timeout_s: float) -> dict[str, Any]:
        """Read a frame.

        Raises:
            EOFError: the supervisor ended, or says what it can't. TimeoutError: it doesn't answer.
        """
        until = time.monotonic() + timeout_s
        (length,) = _LENGTH.unpack(self._read(_LENGTH.size, until))
        if length > _MOST_ANSWER_BYTES:
            raise EOFError
        frame: dict[str, Any] = json.loads(self._read(length, until))
        return frame

    def _read(self, count: int, until: float) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        handle = self._process.stdout.fileno()
        data = bytearray()
        while len(data) < count:
            ready, _, _ = select.select([handle], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                raise TimeoutError
            chunk = os.read(handle, count - len(data))
            if not chunk:
                raise EOFError
            data += chunk
        return bytes(data)


@functools.cache
def _warn_once(missing: tuple[str, ...]) -> None:
    if missing:
        _log.warning("judged code has no wall for: %s; install bubblewrap", ", ".join(missing))


@functools.cache
def _shared(_pid: int, _thread: int, source: Path | None, readable: tuple[Path, ...]) -> Sandbox:
    sandbox = Sandbox(source, readable=readable)
    atexit.register(sandbox.close)
    return sandbox


def shared(source: Path | None = None, readable: tuple[Path, ...] = ()) -> Sandbox:
    """Return this thread's sandbox for a source: judges that come one by one needn't start one.

    It lives as long as the process, which closes it at its end.
    """
    return _shared(os.getpid(), threading.get_ident(), source, readable)


_PROGRAM_LIMITS = Limits(
    cpu_s=10,
    wall_s=10.0,
    memory_bytes=2 << 30,
    processes=16,
    file_bytes=1 << 20,
    output_bytes=16 << 20,
)
"""For a benchmark's program: it prints little and writes next to nothing."""


def run_program(source: str) -> Outcome:
    """Run a Python program; it sees the standard library, no arguments and no input.

    It runs in a fork of an interpreter that each calling thread keeps, sandboxed: the first call
    starts it, the next ones take milliseconds.

    Raises:
        EvaluationError: the sandbox doesn't start.
    """
    return shared().run_program(source, limits=_PROGRAM_LIMITS)
