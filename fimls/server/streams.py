"""Bytes in and out, and how the process ends.

Standard library only until ``initialize`` is answered. The process ends when the client says
``exit``, closes the stream, or dies; also when a download or a native library is stuck in a thread.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

from fimls.server import framing, handshake

_log = logging.getLogger(__name__)

_CHUNK_BYTES = 65_536
_PARENT_CHECK_S = 2.0
_CLOSE_TIMEOUT_S = 1.5  # an engine gets one second to end its process


def serve(settings: Mapping[str, object], *, tcp: tuple[str, int] | None = None) -> int:
    """Serve one client, and return the process' exit code: 0 after ``shutdown``, else 1 (LSP).

    settings: the command line's, which win over the editor's. tcp: listen there for a client, in
    place of standard input and output; port 0 takes a free one, named in the log.

    Does not return where a thread would keep the process alive after its client has gone: it then
    ends the process itself.
    """
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="fimls: %(levelname)s: %(message)s"
    )
    logging.getLogger("fimls.server").setLevel(logging.INFO)
    # It logs messages whole, and so code.
    logging.getLogger("pygls").setLevel(logging.CRITICAL + 1)
    executor = ThreadPoolExecutor(thread_name_prefix="fimls")
    code = asyncio.run(_main(settings, tcp, executor))
    if any(thread.is_alive() for thread in executor._threads):  # noqa: SLF001 - no public way
        _leave(code)
    return code


class StandardOutput:
    """The protocol's own standard output; whatever else prints there goes to standard error."""

    def __init__(self) -> None:
        sys.stdout.flush()
        self._file: BinaryIO = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)

    def write(self, data: bytes) -> None:
        """Write a message. Does nothing once the client has gone: the reader sees that too."""
        try:
            self._file.write(data)
            self._file.flush()
        except (BrokenPipeError, ConnectionResetError):
            _log.info("the client has gone")

    def close(self) -> None:
        """Do nothing: the descriptor closes with the process."""
