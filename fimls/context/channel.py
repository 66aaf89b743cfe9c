"""How a worker process and its parent speak: JSON, a line a message, over two pipes."""

from __future__ import annotations

import json
import os
import select
from collections import deque
from typing import Any

_READ_BYTES = 1 << 16


class ParentGoneError(Exception):
    """The parent closed its end, or died."""


class Channel:
    """The worker's end.

    incoming, outgoing: file descriptors. Both methods raise ParentGoneError.
    """

    def __init__(self, incoming: int, outgoing: int) -> None:
        self._incoming, self._outgoing = incoming, outgoing
        self._buffer = b""
        self._messages: deque[dict[str, Any]] = deque()

    def receive(self, timeout_s: float | None = 0) -> dict[str, Any] | None:
        """Return the next message; None if none comes within ``timeout_s`` (None: wait for it)."""
        while not self._messages:
            if not select.select([self._incoming], [], [], timeout_s)[0]:
                return None
            data = os.read(self._incoming, _READ_BYTES)
            if not data:
                raise ParentGoneError
            *lines, self._buffer = (self._buffer + data).split(b"\n")
            self._messages.extend(map(json.loads, lines))
        return self._messages.popleft()

    def send(self, **message: object) -> None:
        """Send a message."""
        try:
            os.write(self._outgoing, json.dumps(message).encode() + b"\n")
        except BrokenPipeError:
            raise ParentGoneError from None
