"""The handshake: who the client is, and what this server can do.

Standard library only. Importing lsprotocol takes 0.8 s, because it generates its 550 classes then;
``initialize`` is answered before that, so that an editor doesn't wait.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast, get_args

from fimls import __version__
from fimls.server.framing import (
    INVALID_PARAMS,
    SERVER_NOT_INITIALIZED,
    BadMessage,
    Message,
    error_response,
    read_message,
)
from fimls.text import Encoding


class Command(str, enum.Enum):
    """What an editor may run (``workspace/executeCommand``)."""

    ACCEPTED = "fimls.accepted"
    ADAPTERS = "fimls.adapters"
    EXPLAIN = "fimls.explain"
    MODELS = "fimls.models"
    PULL = "fimls.pull"
    RELOAD = "fimls.reload"
    STATUS = "fimls.status"
    WHY = "fimls.why"


_INCREMENTAL = 2
_TRIGGER_CHARACTERS = (".", "(", "[", "{", ",", "=", ":", " ", "/", '"', "'", "<", ">")


@dataclass(frozen=True, slots=True)
class Client:
    """What ``initialize`` says about the client."""

    encoding: Encoding = "utf-16"
    """Of positions: the client's first choice that is known here."""

    process_id: int | None = None
    """Of the editor."""

    folders: tuple[str, ...] = ()
    """The workspace's, as URIs."""

    options: object = None
    """``initializationOptions``: any JSON."""

    inline_completion: bool = False
    """Whether it shows ghost text."""

    progress: bool = False
    """Whether it shows work-done progress."""

    configuration: bool = False
    """Whether it can be asked for its settings."""

    dynamic_configuration: bool = False
    """Whether the server can register to be told of changed settings."""

    watched_files: bool = False
    """Whether the server can register to be told of files that changed on disk."""

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Client:
        """Read the parameters of ``initialize``, where everything may be missing or null."""
        process_id = params.get("processId")
        return cls(
            encoding=_encoding(params),
            process_id=process_id if type(process_id) is int and process_id > 0 else None,
            folders=_folders(params),
            options=params.get("initializationOptions"),
            inline_completion=_has(params, "textDocument", "inlineCompletion"),
            progress=_has(params, "window", "workDoneProgress"),
            configuration=_has(params, "workspace", "configuration"),
            dynamic_configuration=_has(
                params, "workspace", "didChangeConfiguration", "dynamicRegistration"
            ),
            watched_files=_has(params, "workspace", "didChangeWatchedFiles", "dynamicRegistration"),
        )


def capabilities(client: Client) -> dict[str, Any]:
    """Return the server's capabilities for a client.

    The popup's completions are for editors without ghost text only: the two requests that another
    editor would send at each keystroke would cancel each other.
    """
    offered: dict[str, Any] = {
        "positionEncoding": client.encoding,
        "textDocumentSync": {"openClose": True, "change": _INCREMENTAL, "save": True},
        "executeCommandProvider": {"commands": [command.value for command in Command]},
        "workspace": {"workspaceFolders": {"supported": True, "changeNotifications": True}},
    }
    if client.inline_completion:
        offered["inlineCompletionProvider"] = {}
    else:
        offered["completionProvider"] = {"triggerCharacters": list(_TRIGGER_CHARACTERS)}
    return offered


async def greet(reader: asyncio.StreamReader, send: Callable[[Message], None]) -> Client | None:
    """Answer everything up to and including ``initialize``; None if the client leaves before it.

    Requests before it are refused and notifications dropped, but for ``exit`` (LSP 3.18).
    """
    while True:
        try:
            message = await read_message(reader)
        except BadMessage as bad:
            send(error_response(bad.request_id, bad.code, str(bad)))
            continue
        if message is None or message.get("method") == "exit":
            return None
        if "method" not in message or "id" not in message:
            continue
        if message["method"] != "initialize":
            text = f"'{message['method']}' before 'initialize'"
            send(error_response(message["id"], SERVER_NOT_INITIALIZED, text))
            continue
        params = message["params"]
        if not isinstance(params, dict) or not isinstance(params.get("capabilities"), dict):
            text = "'initialize' needs params with capabilities"
            send(error_response(message["id"], INVALID_PARAMS, text))
            continue
        client = Client.of(params)
        result = {
            "capabilities": capabilities(client),
            "serverInfo": {"name": "fimls", "version": __version__},
        }
        send({"jsonrpc": "2.0", "id": message["id"], "result": result})
        return client


def _capability(params: Mapping[str, Any], *path: str) -> object:
    value: object = params.get("capabilities")
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _has(params: Mapping[str, Any], *path: str) -> bool:
    """Whether a capability is there: true, or an object with its details."""
    value = _capability(params, *path)
    return value is True or isinstance(value, dict)


def _encoding(params: Mapping[str, Any]) -> Encoding:
    offered = _capability(params, "general", "positionEncodings")
    known = get_args(Encoding)
    wanted = [one for one in offered if one in known] if isinstance(offered, list) else []
    return cast("Encoding", wanted[0]) if wanted else "utf-16"


def _folders(params: Mapping[str, Any]) -> tuple[str, ...]:
    given = params.get("workspaceFolders")
    folders = [one.get("uri") for one in given if isinstance(one, dict)] if given else []
    folders = folders or [params.get("rootUri")]
    return tuple(uri for uri in folders if isinstance(uri, str))
