"""The client's progress bars (LSP 3.18, work-done progress)."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from fimls.progress import Progress, silent

_CREATE_TIMEOUT_S = 2.0
_REPORT_INTERVAL_S = 0.1
_tokens = itertools.count(1)


@contextlib.asynccontextmanager
async def open_bar(server: LanguageServer, title: str, *, shown: bool) -> AsyncIterator[Progress]:
    """Show a bar while the block runs, and yield what moves it, from any thread.

    shown: False where the client has no bars. A client that doesn't answer gets none either.
    """
    token = f"fimls-{next(_tokens)}"
    if not shown or not await _create(server, token):
        yield silent
        return
    bars = server.work_done_progress
    bars.begin(token, lsp.WorkDoneProgressBegin(title, percentage=0))
    reporter = _Reporter(server, token)
    try:
        yield reporter
    finally:
        reporter.ended = True
        bars.end(token, lsp.WorkDoneProgressEnd())


async def _create(server: LanguageServer, token: str) -> bool:
    creating = server.work_done_progress.create_async(token)
    try:
        await asyncio.wait_for(creating, _CREATE_TIMEOUT_S)
    except (JsonRpcException, asyncio.TimeoutError):
        return False
    return True


class _Reporter:
    """Passes progress from a working thread to the event loop, ten times a second at most."""

    def __init__(self, server: LanguageServer, token: str) -> None:
        self.ended = False  # a thread whose work was given up may still report
        self._server = server
        self._token = token
        self._loop = asyncio.get_running_loop()
        self._next_report_s = 0.0

    def __call__(self, stage: str, done_bytes: int, total_bytes: int) -> None:
        """See :class:`fimls.progress.Progress`."""
        now_s = time.monotonic()
        if now_s < self._next_report_s and done_bytes < total_bytes:
            return
        self._next_report_s = now_s + _REPORT_INTERVAL_S
        percentage = 100 * done_bytes // total_bytes if total_bytes else None
        value = lsp.WorkDoneProgressReport(message=stage, percentage=percentage)
        with contextlib.suppress(RuntimeError):  # the loop has closed
            self._loop.call_soon_threadsafe(self._report, value)

    def _report(self, value: lsp.WorkDoneProgressReport) -> None:
        if not self.ended:
            self._server.work_done_progress.report(self._token, value)
