"""pygls' protocol where it falls short of LSP 3.18.

- What can't be understood is answered with an error, not left waiting.
- After ``shutdown``, requests are refused; ``exit`` ends the session, not the process, so that the
  exit code says whether ``shutdown`` came first.
- Documents are not kept here (see ``documents``), so positions are converted only once.
"""

from __future__ import annotations

import logging
from typing import Any

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException, JsonRpcInvalidRequest
from pygls.protocol import JsonRPCNotification, LanguageServerProtocol, lsp_method
from pygls.protocol.json_rpc import RPCMessage, RPCRequest

from fimls.server.framing import Message

DID_SHOW_COMPLETION = "textDocument/didShowCompletion"
DID_PARTIALLY_ACCEPT_COMPLETION = "textDocument/didPartiallyAcceptCompletion"

# The rest of pygls' own handlers keep its workspace up to date, which nothing here reads.
_BUILT_IN = {
    lsp.INITIALIZE,
    lsp.INITIALIZED,
    lsp.SHUTDOWN,
    lsp.EXIT,
    lsp.SET_TRACE,
    lsp.WORKSPACE_EXECUTE_COMMAND,
    lsp.WINDOW_WORK_DONE_PROGRESS_CANCEL,
}

_log = logging.getLogger(__name__)


class Protocol(LanguageServerProtocol):
    """One session after its ``initialize``."""

    exited = False

    @property
    def shutdown_requested(self) -> bool:
        """Whether the client said goodbye before it left."""
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
        super()._register_builtin_features()
        for method in set(self.fm.builtin_features) - _BUILT_IN:
            del self.fm.builtin_features[method]

    def _refuse(self, message: Message, error: JsonRpcException) -> None:
        request_id = message.get("id")
        if "method" not in message:
            waiting = self._request_futures.pop(request_id, None)
            if waiting is not None and not waiting.done():
                waiting.set_exception(error)
        elif request_id is not None:
            self._send_response(request_id, error=error.to_response_error())
        else:
            _log.warning("ignored a malformed %s", message["method"])

    @lsp_method(lsp.INITIALIZE)
    def lsp_initialize(self, params: object) -> None:
        """Refuse: the handshake has answered the one ``initialize`` that there may be."""
        raise JsonRpcInvalidRequest("'initialize' came twice")

    @lsp_method(lsp.SHUTDOWN)
    def lsp_shutdown(self, *_: object) -> None:
        """Cancel what is under way, both sides' requests."""
        self._shutdown = True
        for future in list(self._request_futures.values()):  # each cancelled one removes itself
            future.cancel()

    @lsp_method(lsp.EXIT)
    def lsp_exit(self, *_: object) -> None:
        """Let the session end after this message."""
        self.exited = True
