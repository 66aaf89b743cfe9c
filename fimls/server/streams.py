"""Bytes in and out, and how the process ends.

Standard library only until ``initialize`` is answered. The process ends when the client says
``exit``, closes the stream or dies, even while a download or a library is stuck in a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from fimls import config
from fimls.server.framing import Writer, encode
from fimls.server.handshake import Client, greet
from fimls.server.logs import log_loop_error, log_to_standard_error, set_level
from fimls.types import FimlsError

if TYPE_CHECKING:
    from fimls.server.pool import EnginePool
    from fimls.server.session import Session

_THREAD_NAME = "fimls-work"
_CHUNK_BYTES = 65_536
_PARENT_CHECK_S = 2.0
_CLOSE_TIMEOUT_S = 1.5  # an engine's process gets a second to end by itself
_THREAD_TIMEOUT_S = 0.2

_log = logging.getLogger(__name__)


def serve(
    settings: Mapping[str, object],
    *,
    tcp: tuple[str, int] | None = None,
    shared: bool = False,
    replace: bool = False,
) -> int:
    """Serve one client, and return the exit code: 0 after ``shutdown``, otherwise 1 (LSP).

    settings: the command line's, which win over the editor's. tcp: the host and port to listen at
    for a client, in place of standard input and output; port 0 takes a free one, which the log
    names. shared: have a server do it that other editors use too, or this process if none can be
    started; replace: a new one, even if one is running.

    If a thread would keep the process alive after its client has gone, this ends the process
    instead of returning.

    Raises:
        ConfigError: the settings are wrong. FimlsError: the address can't be listened at.
    """
    log_to_standard_error()
    set_level(config.load(None, command_line=settings).log_level)
    if shared:
        from fimls.server.shared import NotSharedError, serve_shared  # late: only then needed

        try:
            return serve_shared(settings, replace=replace)
        except NotSharedError as error:
            _log.warning("no server is shared: %s", error)
    return asyncio.run(_main(settings, tcp))


def work_in_threads() -> ThreadPoolExecutor:
    """The event loop's threads, by a name that :func:`leave_if_stuck` knows."""
    threads = ThreadPoolExecutor(thread_name_prefix=_THREAD_NAME)
    loop = asyncio.get_running_loop()
    loop.set_default_executor(threads)
    loop.set_exception_handler(log_loop_error)
    return threads


async def _main(settings: Mapping[str, object], tcp: tuple[str, int] | None) -> int:
    threads = work_in_threads()
    reader, writer = await _accept(*tcp) if tcp else (_standard_input(), _StandardOutput())
    code = 1
    client = await greet(reader, lambda message: writer.write(encode(message)))
    if client is not None:
        # A socket's client may live on another machine, where its id names another process.
        parent = None if tcp else client.process_id
        code = await run_session(client, settings, reader, writer, parent)
    writer.close()
    threads.shutdown(wait=False, cancel_futures=True)
    leave_if_stuck(code)
    return code


async def run_session(
    client: Client,
    settings: Mapping[str, object],
    reader: asyncio.StreamReader,
    writer: Writer,
    parent: int | None,
    engines: EnginePool | None = None,
) -> int:
    """Run the session until the client or its process has gone; return its exit code."""
    from fimls.server.pool import EnginePool  # late: it imports the engines
    from fimls.store import Store

    engines = engines or EnginePool()
    with contextlib.suppress(FimlsError):  # the session says what is wrong with them
        options = client.options if isinstance(client.options, Mapping) else None
        engines.preload(config.load(None, options, settings), Store())
    # It imports lsprotocol, which takes as long as half of the engine's loading.
    module = await asyncio.to_thread(importlib.import_module, "fimls.server.session")
    session: Session = module.Session(client, settings, writer, engines)
    reading = asyncio.create_task(session.run(reader))
    watching = asyncio.create_task(_until_gone(parent))
    await asyncio.wait({reading, watching}, return_when=asyncio.FIRST_COMPLETED)
    gone = watching.done()
    reading.cancel()
    watching.cancel()
    engines.cancel_preload()
    await _close(session)
    if gone:
        _log.info("the editor's process has gone")
    else:
        reading.result()
    return 0 if session.protocol.shutdown_requested else 1


async def _close(session: Session) -> None:
    closing = asyncio.create_task(session.aclose())
    _, late = await asyncio.wait({closing}, timeout=_CLOSE_TIMEOUT_S)
    if late:
        _log.warning("the engine did not end in time")


async def _until_gone(process_id: int | None) -> None:
    """Return when a process has gone; never, if it isn't there now.

    A client in another container has an id that means nothing here, and would end the server.
    """
    if process_id is None or os.name != "posix" or not _is_alive(process_id):
        await asyncio.Event().wait()
        return
    while _is_alive(process_id):  # noqa: ASYNC110 - a process sets no event
        await asyncio.sleep(_PARENT_CHECK_S)


def _is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except PermissionError:  # another user's
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True


def leave_if_stuck(code: int) -> None:
    """End the process here and now if a thread is busy: the interpreter would wait for it."""
    mine = [thread for thread in threading.enumerate() if thread.name.startswith(_THREAD_NAME)]
    for thread in mine:
        thread.join(_THREAD_TIMEOUT_S)
    if any(thread.is_alive() for thread in mine):
        logging.shutdown()
        os._exit(code)


async def _accept(host: str, port: int) -> tuple[asyncio.StreamReader, Writer]:
    """Wait for one client, then listen no more.

    Raises:
        FimlsError: the address can't be listened at.
    """
    connected: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
    connected = asyncio.get_running_loop().create_future()

    def on_connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if connected.done():
            writer.close()
        else:
            connected.set_result((reader, writer))

    try:
        listener = await asyncio.start_server(on_connect, host, port)
    except OSError as error:
        raise FimlsError(
            f"can't listen at {host}:{port}: {error.strerror or error}",
            hint="name a free port, or 0 for any",
        ) from error
    bound = listener.sockets[0].getsockname()
    _log.info("listening at %s:%d", bound[0], bound[1])
    client = await connected
    listener.close()
    return client


def _standard_input() -> asyncio.StreamReader:
    """Read standard input in a thread of its own.

    An event loop can't poll every kind of file, and a daemon thread doesn't keep the process alive
    as an executor's does.
    """
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()

    def pump() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has closed
            with contextlib.suppress(OSError):  # a closed descriptor is an end like any other
                while data := os.read(0, _CHUNK_BYTES):
                    loop.call_soon_threadsafe(reader.feed_data, data)
            loop.call_soon_threadsafe(reader.feed_eof)

    threading.Thread(target=pump, name="fimls-stdin", daemon=True).start()
    return reader


class _StandardOutput:
    """The protocol's own standard output; what anybody else prints goes to standard error."""

    def __init__(self) -> None:
        sys.stdout.flush()
        self._file = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)

    def write(self, data: bytes) -> None:
        """See :class:`Writer`. A client that has gone is no error: reading from it ends too."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._file.write(data)
            self._file.flush()

    def close(self) -> None:
        """See :class:`Writer`."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._file.close()
