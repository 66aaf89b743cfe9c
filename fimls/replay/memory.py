"""What a process and its children keep in memory, as Linux counts it."""

from __future__ import annotations

from pathlib import Path

_PROC = Path("/proc")


def resident_bytes(pid: int) -> int | None:
    """Return the resident memory of a process and all its descendants; None off Linux.

    Pages that they share are counted for each: an upper bound.
    """
    parents = _parents()
    if pid not in parents:
        return None
    family, found = {pid}, True
    while found:
        added = {child for child, parent in parents.items() if parent in family} - family
        family |= added
        found = bool(added)
    return sum(_resident(one) for one in family)


def _parents() -> dict[int, int]:
    """Return each process's parent."""
    parents: dict[int, int] = {}
    for entry in _PROC.glob("[0-9]*/stat"):
        try:
            text = entry.read_text(encoding="utf-8", errors="replace")
        except OSError:  # it ended meanwhile
            continue
        parents[int(entry.parent.name)] = int(text.rpartition(")")[2].split()[1])
    return parents


def _resident(pid: int) -> int:
    try:
        lines = (_PROC / str(pid) / "status").read_text(encoding="utf-8").splitlines()
    except OSError:  # it ended meanwhile
        return 0
    value = next((line.split()[1] for line in lines if line.startswith("VmRSS:")), "0")
    return int(value) * 1024
