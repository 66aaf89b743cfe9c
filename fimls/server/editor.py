"""What the server tells and asks the editor: messages, questions, registrations, progress bars."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import logging
import time
from collections.abc import AsyncIterator

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from fimls.progress import Progress, silent
from fimls.server.configuration import SECTION
from fimls.server.handshake import Client
from fimls.server.host import Status, explain
from fimls.server.logs import log_file
from fimls.store import ModelSpec
from fimls.syntax import LANGUAGES
from fimls.types import FimlsError

STATUS_NOTIFICATION = "fimls/status"

_ANSWER_TIMEOUT_S = 3.0
_CREATE_TIMEOUT_S = 2.0
_REPORT_INTERVAL_S = 0.1
_tokens = itertools.count(1)

_log = logging.getLogger(__name__)


class Editor:
    """The editor of a session. One that doesn't answer, or refuses, costs only what was asked."""

    def __init__(self, server: LanguageServer, client: Client) -> None:
        self._server = server
        self._client = client

    def tell_status(self, status: Status) -> None:
        """Send ``fimls/status``."""
        self._server.protocol.notify(STATUS_NOTIFICATION, status_json(status))

    def show(self, kind: lsp.MessageType, text: str) -> None:
        """Show a message."""
        self._server.window_show_message(lsp.ShowMessageParams(kind, f"fimls: {text}"))

    def show_error(self, error: FimlsError) -> None:
        """Show what went wrong, and what to do about it."""
        self.show(lsp.MessageType.Error, explain(error))

    def log(self, kind: lsp.MessageType, text: str) -> None:
        """Write to the editor's log, and to the server's."""
        _log.warning("%s", text)
        self._server.window_log_message(lsp.LogMessageParams(kind, text))

    async def settings(self) -> object:
        """Ask for the settings for fimls; None if the editor doesn't answer."""
        item = lsp.ConfigurationItem(section=SECTION)
        asking = self._server.workspace_configuration_async(lsp.ConfigurationParams([item]))
        try:
            answers = await asyncio.wait_for(asking, _ANSWER_TIMEOUT_S)
        except (JsonRpcException, asyncio.TimeoutError) as error:
            _log.warning("the editor did not send its settings: %s", type(error).__name__)
            return None
        return answers[0] if answers else None

    async def wants(self, spec: ModelSpec) -> bool:
        """Ask whether to fetch a model."""
        download = f"Download ({spec.bytes / 1_000_000:,.0f} MB)"
        question = lsp.ShowMessageRequestParams(
            lsp.MessageType.Info,
            f"fimls: the model {spec.name} is not on this machine yet.",
            actions=[lsp.MessageActionItem(download), lsp.MessageActionItem("Not now")],
        )
        try:
            answer = await self._server.window_show_message_request_async(question)
        except JsonRpcException as error:
            _log.warning("the editor can't ask whether to fetch the model: %s", error.message)
            return False
        return answer is not None and answer.title == download

    async def register(self) -> None:
        """Ask to be told of changed settings and files, if the editor lets servers ask for that."""
        registrations = []
        if self._client.dynamic_configuration:
            options = lsp.DidChangeConfigurationRegistrationOptions(section=SECTION)
            method = lsp.WORKSPACE_DID_CHANGE_CONFIGURATION
            registrations.append(lsp.Registration("fimls-configuration", method, options))
        if self._client.watched_files:
            watched = lsp.DidChangeWatchedFilesRegistrationOptions([_watcher_of_sources()])
            method = lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES
            registrations.append(lsp.Registration("fimls-files", method, watched))
        if not registrations:
            return
        try:
            await self._server.client_register_capability_async(
                lsp.RegistrationParams(registrations)
            )
        except JsonRpcException as error:
            _log.warning("the editor will not report changes: %s", error.message)

    @contextlib.asynccontextmanager
    async def progress(self, title: str) -> AsyncIterator[Progress]:
        """Show a bar while the block runs, and yield what moves it, from any thread.

        An editor that has no bars, or doesn't answer, gets none (LSP 3.18, work-done progress).
        """
        token = f"fimls-{next(_tokens)}"
        if not self._client.progress or not await _create(self._server, token):
            yield silent
            return
        bars = self._server.work_done_progress
        bars.begin(token, lsp.WorkDoneProgressBegin(title, percentage=0))
        reporter = _Reporter(self._server, token)
        try:
            yield reporter
        finally:
            reporter.ended = True
            bars.end(token, lsp.WorkDoneProgressEnd())


def status_json(status: Status) -> dict[str, object]:
    """A status as it is sent; of a server that logs to a file, with its path."""
    log = log_file()
    return {
        **dataclasses.asdict(status),
        "state": status.state.value,
        **({"log": log} if log else {}),
    }


def _watcher_of_sources() -> lsp.FileSystemWatcher:
    """Watches the files that the table of languages knows by their suffix."""
    suffixes = sorted({suffix[1:] for language in LANGUAGES for suffix in language.suffixes})
    return lsp.FileSystemWatcher(f"**/*.{{{','.join(suffixes)}}}")


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

    def __call__(self, stage: str, done: int, total: int) -> None:
        """See :class:`fimls.progress.Progress`."""
        now_s = time.monotonic()
        if now_s < self._next_report_s and done < total:
            return
        self._next_report_s = now_s + _REPORT_INTERVAL_S
        percentage = 100 * done // total if total else None
        value = lsp.WorkDoneProgressReport(message=stage, percentage=percentage)
        with contextlib.suppress(RuntimeError):  # the loop has closed
            self._loop.call_soon_threadsafe(self._report, value)

    def _report(self, value: lsp.WorkDoneProgressReport) -> None:
        if not self.ended:
            self._server.work_done_progress.report(self._token, value)
