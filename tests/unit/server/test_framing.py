"""JSON-RPC messages on a byte stream."""

import asyncio

import pytest

from fimls.server import framing
from fimls.server.framing import BadMessage, encode, read_message

REQUEST = {"jsonrpc": "2.0", "id": 1, "method": "m", "params": {"text": "\U0001f600 \u2028"}}


def stream(data: bytes) -> asyncio.StreamReader:
    """Return a stream that holds some bytes and ends."""
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return reader


def framed(body: bytes) -> bytes:
    """Put a header before a body."""
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


async def test_round_trip() -> None:
    """What was encoded is read back, message by message, then the end."""
    reader = stream(encode(REQUEST) * 2)
    assert [await read_message(reader) for _ in range(3)] == [REQUEST, REQUEST, None]


async def test_other_headers_and_cases() -> None:
    """Header names have no case, other headers are skipped, a lone line feed will do."""
    body = b'{"jsonrpc":"2.0","id":"a","result":null}'
    header = b"content-type: x\r\ncontent-length:%d\n\r\n" % len(body)
    expected = {"jsonrpc": "2.0", "id": "a", "result": None}
    assert await read_message(stream(header + body)) == expected


@pytest.mark.parametrize(
    ("data", "code", "request_id"),
    [
        (b"no header\r\n\r\n", framing.PARSE_ERROR, None),
        (b"x" * 100_000 + b"\r\n\r\n", framing.PARSE_ERROR, None),
        (framed(b"{"), framing.PARSE_ERROR, None),
        (framed(b'"\xff"'), framing.PARSE_ERROR, None),
        (framed(b"[" * 100_000), framing.PARSE_ERROR, None),
        (framed(b"[]"), framing.INVALID_REQUEST, None),
        (framed(b"{}"), framing.INVALID_REQUEST, None),
        (framed(b'{"jsonrpc":"1.0","id":3,"method":"m"}'), framing.INVALID_REQUEST, 3),
        (framed(b'{"jsonrpc":"2.0","id":3,"method":4}'), framing.INVALID_REQUEST, 3),
        (framed(b'{"jsonrpc":"2.0","id":3}'), framing.INVALID_REQUEST, 3),
        (framed(b'{"jsonrpc":"2.0","id":true,"method":"m"}'), framing.INVALID_REQUEST, None),
        (framed(b'{"jsonrpc":"2.0","id":null,"result":1}'), framing.INVALID_REQUEST, None),
    ],
)
async def test_bad_message(data: bytes, code: int, request_id: object) -> None:
    """It says which error to answer to whom, and the next message is read."""
    reader = stream(data + encode(REQUEST))
    with pytest.raises(BadMessage) as caught:
        await read_message(reader)
    assert (caught.value.code, caught.value.request_id) == (code, request_id)
    assert await read_message(reader) == REQUEST


async def test_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that is too large is read past."""
    monkeypatch.setattr(framing, "MAX_MESSAGE_BYTES", 200)
    reader = stream(framed(b"x" * 201) + encode(REQUEST))
    with pytest.raises(BadMessage):
        await read_message(reader)
    assert await read_message(reader) == REQUEST


async def test_body_without_a_header() -> None:
    """Its bytes stand in front of the next header, which still counts."""
    reader = stream(b'{"jsonrpc": "2.0"}' + encode(REQUEST))
    assert await read_message(reader) == REQUEST


@pytest.mark.parametrize("data", [b"", b"Content-Len", framed(b"{}")[:-1], b"x\r\n"])
async def test_end_inside_a_message(data: bytes) -> None:
    """The end of the stream is the end, wherever it comes."""
    assert await read_message(stream(data)) is None
