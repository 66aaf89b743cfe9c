"""The log: standard error, or for a server that editors share a file that is limited in size.

No line of it holds code. Standard library only.
"""

from __future__ import annotations

import asyncio
import io
import logging
import os
import sys
from pathlib import Path
from typing import Any

_FORMAT = "fimls: %(levelname)s: %(message)s"

_log = logging.getLogger(__name__)


def log_to_standard_error() -> None:
    """Set up logging of this process."""
    logging.basicConfig(stream=sys.stderr, format=_FORMAT)
    # It logs messages, and so code.
    logging.getLogger("pygls").setLevel(logging.CRITICAL + 1)


def log_file() -> str | None:
    """Where this process logs; None where that is standard error."""
    handlers = logging.getLogger().handlers
    return next(
        (one.baseFilename for one in handlers if isinstance(one, logging.FileHandler)), None
    )


def set_level(name: str) -> None:
    """Log from this level on: the setting ``log_level``. Libraries warn at most."""
    ours = logging.getLogger("fimls")
    ours.setLevel(name.upper())
    logging.getLogger().setLevel(max(ours.level, logging.WARNING))


def open_for_owner(path: Path) -> io.TextIOWrapper:
    """Open a log to append to; a new one is readable by its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return open(path, "a", encoding="utf-8", opener=_owner_only)


def log_loop_error(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what nobody handled. asyncio would quote the error, which may quote a document."""
    error = context.get("exception")
    _log.error("%s: %s", context.get("message"), type(error).__name__ if error else "no error")


def _owner_only(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
