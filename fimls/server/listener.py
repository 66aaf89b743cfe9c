"""The server that several editors share: a session for each connection, engines in common.

    python -m fimls.server.listener SOCKET < SETTINGS    # started by ``fimls serve --shared``

It ends after its last session, also where another server has taken its place at the socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING

from fimls import config
from fimls.server.framing import encode
from fimls.server.handshake import greet
from fimls.server.logs import log_to_standard_error, open_for_owner, set_level
from fimls.server.shared import END, LISTENING, log_path
from fimls.server.streams import leave_if_stuck, run_session, work_in_threads

if TYPE_CHECKING:
    from fimls.server.pool import EnginePool

_FIRST_CLIENT_S = 30.0  # the editor that started it may be gone already
_CLOSE_TIMEOUT_S = 2.0  # an editor may not read its last bytes
_LAST_CLIENT_S = 0.2  # an editor may have been connecting when the last session ended

_LOG_FORMAT = "%(asctime)s %(process)d %(levelname)s: %(message)s"
_LOG_BYTES = 500_000
_OLD_LOGS = 1
_LOGS_KEPT_S = 30 * 86_400

_log = logging.getLogger(__name__)


class Listener:
    """Accepts connections, and runs a session for each.

    settings: the command line's, which win over each editor's. announce: a file descriptor;
    ``LISTENING`` is written to it once editors can connect.
    """

    def __init__(self, path: Path, settings: Mapping[str, object], announce: int) -> None:
        self._path = path
        self._settings = settings
        self._announce = announce
        self._engines: EnginePool | None = None
        self._sessions = 0
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Listen and serve until nobody is connected any more."""
        listener = await asyncio.start_unix_server(self._on_connect, str(self._path))
        self._path.chmod(0o600)
        mine = self._path.stat().st_ino
        os.write(self._announce, LISTENING)
        os.close(self._announce)
        await self._until_empty(_FIRST_CLIENT_S)
        while True:
            # From here on editors find no server and start another; one may just have found this.
            with contextlib.suppress(FileNotFoundError):
                if self._path.stat().st_ino == mine:
                    self._path.unlink()
            if not await self._until_empty(_LAST_CLIENT_S):
                break
        listener.close()

    async def _until_empty(self, wait_s: float) -> bool:
        """Wait for a session, and then for the last one's end; False if none came."""
        with contextlib.suppress(asyncio.TimeoutError):
            if not self._sessions:
                await asyncio.wait_for(self._changed.wait(), wait_s)
        if not self._sessions:
            return False
        while self._sessions:
            self._changed.clear()
            await self._changed.wait()
        self._changed.clear()
        return True

    async def _on_connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._sessions += 1
        self._changed.set()
        code = 1
        try:
            client = await greet(reader, lambda message: writer.write(encode(message)))
            if client is not None:
                from fimls.server.pool import EnginePool  # late: it imports the engines

                self._engines = self._engines or EnginePool()
                code = await run_session(
                    client, self._settings, reader, writer, client.process_id, self._engines
                )
        except Exception as error:  # noqa: BLE001 - one editor's session; the others go on
            _log.error("a session failed: %s", type(error).__name__)
        finally:
            with contextlib.suppress(OSError, asyncio.TimeoutError):
                writer.write(END + b"%d" % code)
                writer.close()
                await asyncio.wait_for(writer.wait_closed(), _CLOSE_TIMEOUT_S)
            self._sessions -= 1
            self._changed.set()


def main() -> None:
    """Serve at the socket that the command line names."""
    settings = json.loads(sys.stdin.buffer.read())
    path = Path(sys.argv[1])
    announce = os.dup(1)
    _log_to_file(log_path(path))
    set_level(config.load(None, command_line=settings).log_level)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the terminal of the first editor
    asyncio.run(_main(path, settings, announce))


async def _main(path: Path, settings: Mapping[str, object], announce: int) -> None:
    threads = work_in_threads()
    await Listener(path, settings, announce).run()
    threads.shutdown(wait=False, cancel_futures=True)
    leave_if_stuck(0)


def _log_to_file(path: Path) -> None:
    """Set up logging of this process, and send its standard output and error there too."""
    log_to_standard_error()
    handler = _LogFile(path)
    handler.setFormatter(logging.Formatter(_LOG_FORMAT))
    logging.getLogger().handlers[:] = [handler]
    # Other versions and settings have logs of their own.
    for other in path.parent.glob("server-*"):
        with contextlib.suppress(OSError):
            if other.stat().st_mtime < time.time() - _LOGS_KEPT_S:
                other.unlink()


class _LogFile(RotatingFileHandler):
    """A file that is renamed when it has grown, and another one begun.

    Two servers write to it while one takes the place of the other.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=_LOG_BYTES, backupCount=_OLD_LOGS, encoding="utf-8")

    def shouldRollover(self, record: logging.LogRecord) -> int:  # noqa: N802 - logging's name
        """See :class:`RotatingFileHandler`; follows the other server, where that renamed it."""
        if self.stream is not None and not _is_at(self.stream, self.baseFilename):
            self.stream.close()
            self.stream = self._open()
        return super().shouldRollover(record)

    def _open(self) -> io.TextIOWrapper:
        stream = open_for_owner(Path(self.baseFilename))
        for descriptor in (1, 2):
            os.dup2(stream.fileno(), descriptor)
        return stream


def _is_at(stream: io.TextIOWrapper, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(stream.fileno()), Path(path).stat())
    except FileNotFoundError:
        return False


if __name__ == "__main__":
    main()
