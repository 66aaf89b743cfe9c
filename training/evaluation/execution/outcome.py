"""What a contained run may use, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may use; reaching any of them ends it, with everything it started.

    cpu_s: processor seconds of one process. wall_s: seconds from start to end. memory_bytes: of one
    process's private memory, and of all its processes together. processes: processes and threads at
    the same time. file_bytes: of one file. output_bytes: standard output and error together.
    """

    cpu_s: int = 10
    wall_s: float = 20.0
    memory_bytes: int = 2 << 30
    processes: int = 64
    file_bytes: int = 16 << 20
    output_bytes: int = 4 << 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    exit_code: None if it was killed or died by a signal. killed_by: the limit it reached (``wall``,
    ``cpu``, ``memory``, ``processes``, ``output``), ``signal N`` or ``sandbox`` (the sandbox itself
    was brought down); None if it ended by itself. violations: what it did besides
    (``left processes behind``, ``changed PATH``). files: the bytes of what was to be collected.
    stdout, stderr: their tails.
    """

    exit_code: int | None
    killed_by: str | None = None
    stdout: str = ""
    stderr: str = ""
    violations: tuple[str, ...] = ()
    wall_s: float = 0.0
    files: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def timed_out(self) -> bool:
        """Whether it ran longer than it might, by the clock or by the processor."""
        return self.killed_by in {"wall", "cpu"}

    @property
    def ended(self) -> bool:
        """Whether it came to an end by itself and touched nothing that was to stay as it was."""
        changed = any(violation.startswith("changed ") for violation in self.violations)
        return self.killed_by is None and self.exit_code is not None and not changed
