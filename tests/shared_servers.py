"""The servers that editors share, as processes."""

from __future__ import annotations

import subprocess
from pathlib import Path


def shared_servers(runtime: Path) -> list[int]:
    """The ids of those whose sockets are below ``runtime``, an ``XDG_RUNTIME_DIR``."""
    command = ["pgrep", "-f", f"fimls.server.listener {runtime}/"]
    found = subprocess.run(command, check=False, capture_output=True, text=True)
    return [int(line) for line in found.stdout.split()]
