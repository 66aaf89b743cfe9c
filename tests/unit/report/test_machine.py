"""How much memory processes use."""

from __future__ import annotations

import os
import subprocess
import sys

from fimls.report.machine import resident_bytes


def test_memory_is_that_of_a_whole_family() -> None:
    """A child's memory counts with its parent's."""
    alone = resident_bytes(os.getpid())
    grown = "import sys; x = bytearray(50_000_000); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", grown], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        both = resident_bytes(os.getpid())
        child.communicate(b"")
    assert alone is not None
    assert both is not None
    assert both > alone + 50_000_000


def test_memory_of_nobody_is_unknown() -> None:
    """A process that is gone has none to tell."""
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    assert resident_bytes(child.pid) is None
