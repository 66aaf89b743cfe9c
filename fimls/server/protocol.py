"""pygls' protocol where it falls short of LSP 3.18.

- What can't be understood is answered with an error, not left waiting.
- After ``shutdown``, requests are refused; ``exit`` ends the session, not the process, so that the
  exit code says whether ``shutdown`` came first.
- Documents are not kept here (see ``documents``), so positions are converted only once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException, JsonRpcInvalidRequest
from pygls.protocol import JsonRPCNotification, LanguageServerProtocol
from pygls.protocol.json_rpc import RPCMessage, RPCRequest

from fimls.server.framing import Message

DID_SHOW_COMPLETION = "textDocument/didShowCompletion"
DID_PARTIALLY_ACCEPT_COMPLETION = "textDocument/didPartiallyAcceptCompletion"

_log = logging.getLogger(__name__)


class Protocol(LanguageServerProtocol):
    """One session after its ``initialize``."""

    exited = False

    @property
    def shutdown_requested(self) -> bool:
        """Whether the client has sent ``shutdown``."""
        return self._shutdown

    def receive(self, message: Message) -> None:
        """Handle one message."""
        try:
            structured = self.structure_message(message)
        except JsonRpcException as error:
            self._refuse(message, error)
            return
        self.handle_message(structured)

    def structure_message(self, data: dict[str, Any]) -> Any:
        """See pygls. Methods that LSP doesn't define keep their parameters as plain JSON."""
        method = data.get("method")
        if method in {DID_SHOW_COMPLETION, DID_PARTIALLY_ACCEPT_COMPLETION}:
            return JsonRPCNotification(method, "2.0", data.get("params"))
        return super().structure_message(data)

    def handle_message(self, message: RPCMessage) -> None:
        """See pygls, which lets a request after ``shutdown`` wait for ever."""
        if self._shutdown and isinstance(message, RPCRequest):
            error = JsonRpcInvalidRequest("the server is shutting down")
            self._send_response(message.id, error=error.to_response_error())
            return
        super().handle_message(message)

    def _register_builtin_features(self) -> None:
        """Replaces pygls' own, which keep its workspace up to date: nothing here reads that."""
        handlers: dict[str, Callable[..., Any]] = {
            lsp.INITIALIZE: self._refuse_initialize,
            lsp.SHUTDOWN: self._shut_down,
            lsp.EXIT: self._exit,
            lsp.SET_TRACE: self.lsp_set_trace,
            lsp.WORKSPACE_EXECUTE_COMMAND: self.lsp_workspace__execute_command,
            lsp.WINDOW_WORK_DONE_PROGRESS_CANCEL: self.lsp_work_done_progress_cancel,
        }
        for method, handler in handlers.items():
            self.fm.add_builtin_feature(method, handler)

    def _refuse(self, message: Message, error: JsonRpcException) -> None:
        if "id" not in message:
            _log.warning("ignored a malformed %s", message["method"])
        elif "method" in message:
            self._send_response(message["id"], error=error.to_response_error())
        elif waiting := self._request_futures.pop(message["id"], None):
            waiting.set_exception(error)

    def _refuse_initialize(self, _: object) -> None:
        """The handshake has answered the one ``initialize`` that there may be."""
        raise JsonRpcInvalidRequest("'initialize' came twice")

    def _shut_down(self, _: object) -> None:
        """Cancel what is under way, both sides' requests."""
        self._shutdown = True
        for future in list(self._request_futures.values()):  # each cancelled one removes itself
            future.cancel()

    def _exit(self, _: object) -> None:
        self.exited = True
