"""The last request's explanation on disk, for ``fimls why`` in a terminal.

It holds no code: paths, counts, reasons and times only. The editor gets the texts, by command.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import tempfile
from pathlib import Path

import platformdirs

from fimls.completer import Explanation

_WRITE_AFTER_S = 1.0

_log = logging.getLogger(__name__)


def last_words_path() -> Path:
    """Where the running server leaves its last explanation."""
    return platformdirs.user_state_path("fimls") / "why.json"


class LastWords:
    """Writes the latest explanation, once typing has paused for a second."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None
        self._latest: Explanation | None = None

    def note(self, explanation: Explanation) -> None:
        """Take the place of an earlier one."""
        self._latest = explanation
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(_WRITE_AFTER_S, self.flush)

    def flush(self) -> None:
        """Write it now. A folder that can't be written to costs only ``fimls why``."""
        if self._timer is not None:
            self._timer.cancel()
        if self._latest is None:
            return
        data = json.dumps(self._latest.as_json(code=False))
        self._latest = None
        path = last_words_path()
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, name = tempfile.mkstemp(dir=path.parent)
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(data)
                Path(name).replace(path)
            except BaseException:
                with contextlib.suppress(FileNotFoundError):
                    Path(name).unlink()
                raise
        except OSError as error:
            _log.info("the last explanation is not kept: %s", type(error).__name__)
