"""JSON-RPC messages on a byte stream (LSP 3.18, base protocol). Standard library only.

pygls skips what it can't read, so that a client waits for ever for the answer; and its header
reader takes a body without a length for a header. Here whatever is no message is a
:class:`BadMessage`, after which the next message can be read.
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, Protocol, TypeAlias

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
INVALID_PARAMS = -32602
SERVER_NOT_INITIALIZED = -32002

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""A larger message is read past, not into memory."""

Message: TypeAlias = dict[str, Any]
"""A request, notification or response, its JSON-RPC envelope checked, its ``params`` not."""

_DISCARD_BYTES = 65_536
# Not anchored at the start: garbage without a line end may stand in front of a header.
_CONTENT_LENGTH = re.compile(rb"content-length:[ \t]*(\d{1,18})[ \t]*\r?\n\Z", re.IGNORECASE)


class Writer(Protocol):
    """Where messages go."""

    def write(self, data: bytes) -> None:
        """Send a framed message."""
        ...

    def close(self) -> None:
        """Send no more."""
        ...


class BadMessage(Exception):  # noqa: N818 - named for what arrived
    """What arrived is no JSON-RPC message.

    code: JSON-RPC's error code. request_id: the id to answer, None where it can't be known.
    """

    def __init__(self, code: int, message: str, request_id: int | str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.request_id = request_id


def encode(message: Message) -> bytes:
    """Frame a message."""
    body = json.dumps(message, separators=(",", ":")).encode()
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def error_response(request_id: int | str | None, code: int, message: str) -> Message:
    """Build the answer to a request that failed."""
    return {"jsonrpc": "2.0", "id": request_id, "error": {"code": code, "message": message}}


async def read_message(reader: asyncio.StreamReader) -> Message | None:
    """Read the next message; None at the end of the stream, be it in the middle of a message.

    Raises:
        BadMessage: the next thing is no message. The one after it can be read.
    """
    length = await _read_headers(reader)
    if length is None:
        return None
    try:
        if length > MAX_MESSAGE_BYTES:
            await _discard(reader, length)
            raise BadMessage(PARSE_ERROR, f"a message of {length:,} bytes is too large")
        body = await reader.readexactly(length)
    except asyncio.IncompleteReadError:
        return None
    try:
        message = json.loads(body.decode())
    except (ValueError, RecursionError) as error:  # ValueError: neither UTF-8 nor JSON
        # Its text would quote the body.
        raise BadMessage(PARSE_ERROR, f"not JSON: {type(error).__name__}") from None
    return _checked(message)


async def _read_headers(reader: asyncio.StreamReader) -> int | None:
    """Return the body's length in bytes; None at the end of the stream."""
    length: int | None = None
    garbage = False
    while line := await _read_line(reader):
        if match := _CONTENT_LENGTH.search(line):
            length = int(match[1])
        elif line.strip():
            garbage = True
        elif length is not None:
            return length
        elif garbage:
            raise BadMessage(PARSE_ERROR, "headers without a Content-Length")
    return None


async def _read_line(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readline()
    except ValueError:  # longer than the reader's limit, which dropped it
        return b"too long\n"


async def _discard(reader: asyncio.StreamReader, length: int) -> None:
    while length:
        length -= len(await reader.readexactly(min(length, _DISCARD_BYTES)))


def _checked(message: object) -> Message:
    """Return a message whose envelope is right.

    Raises:
        BadMessage: it isn't; batches, which LSP doesn't have, included.
    """
    if not isinstance(message, dict):
        raise BadMessage(INVALID_REQUEST, "a message must be an object")
    given_id = message.get("id")
    known_id = type(given_id) in {int, str}
    request_id = given_id if known_id else None
    if message.get("jsonrpc") != "2.0":
        raise BadMessage(INVALID_REQUEST, "'jsonrpc' must be \"2.0\"", request_id)
    if "method" in message:
        if not isinstance(message["method"], str):
            raise BadMessage(INVALID_REQUEST, "'method' must be a string", request_id)
        if "id" in message and not known_id:
            raise BadMessage(INVALID_REQUEST, "'id' must be a string or a whole number")
        return {"params": None, **message}
    if "error" in message or (known_id and "result" in message):
        return message
    raise BadMessage(INVALID_REQUEST, "neither a method nor a result", request_id)
