"""The connection to a completion server: key, timeouts, retries, errors that quote no code."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import email.utils
import json
import logging
import os
import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from fimls.types import ConfigError, EngineDeadError, EngineError

API_KEY_VARIABLE = "FIMLS_API_KEY"
"""The environment variable that holds the server's key. There is no other way to give one."""

_log = logging.getLogger(__name__)

_CONNECT_TIMEOUT_S = 2.0
_READ_TIMEOUT_S = 60.0  # a server silent for so long is gone; deadlines end sooner
_RETRIED_STATUS = frozenset({429, 502, 503})
_RETRIED_ERRORS = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    # The server closed a kept connection just as it was used: there was no answer on it.
    httpx.RemoteProtocolError,
    httpx.ReadError,
    httpx.WriteError,
)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_EXCERPT_CHARS = 200
_SHARED_CHARS = 12  # a message that has so many characters in common with the prompt quotes it
_HINTS = {
    401: f"set the server's key in the environment variable {API_KEY_VARIABLE}",
    403: f"check the key in the environment variable {API_KEY_VARIABLE}",
    404: "check the address: the server must have /v1/completions",
    405: "check the address: the server must have /v1/completions",
    400: "if the prompt is too long for the server, lower the prefix, suffix and snippet budgets",
    413: "lower the prefix, suffix and snippet budgets",
    429: "the server is busy: try again later, or give it more slots",
    503: "the server is busy or still loading its model: try again in a moment",
}


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How a request is repeated that found no server, or a busy one.

    The wait doubles each time, and is multiplied by a random factor in [0.5, 1] so that many
    clients don't come back together. A server's Retry-After replaces it.
    """

    attempts: int = 4
    base_ms: float = 100.0
    """The first wait."""
    max_ms: float = 2000.0
    """The longest wait."""
    max_retry_after_ms: float = 5000.0
    """A longer Retry-After ends the request: nobody waits so long for a completion."""

    def wait_s(self, attempt: int, response: httpx.Response | None = None) -> float | None:
        """Seconds to wait after failed attempt ``attempt``, counted from 1; None to give up."""
        if attempt >= self.attempts:
            return None
        if response is not None and (wanted := _retry_after_s(response)) is not None:
            return wanted if wanted * 1000 <= self.max_retry_after_ms else None
        factor: float = 0.5 + random.random() / 2  # noqa: S311 - jitter, no secret
        wait_ms = min(self.base_ms * 2.0 ** (attempt - 1), self.max_ms)
        return wait_ms * factor / 1000


class ServerClient:
    """Sends requests to one server; ``address`` may end in ``/v1``.

    Raises:
        ConfigError: at construction: ``address`` is not an http(s) address, or carries a password.
    """

    def __init__(
        self,
        address: str,
        *,
        retry: RetryPolicy,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        url = _parse(address)
        self.address = str(url)
        self._retry = retry
        local = url.host in _LOOPBACK
        headers = {}
        if key := os.environ.get(API_KEY_VARIABLE):
            headers["Authorization"] = f"Bearer {key}"
            if url.scheme == "http" and not local:
                _log.warning("%s goes to %s without encryption", API_KEY_VARIABLE, url.host)
        self._http = httpx.AsyncClient(
            base_url=url,
            headers=headers,
            timeout=httpx.Timeout(_READ_TIMEOUT_S, connect=_CONNECT_TIMEOUT_S),
            transport=transport,
            # A proxy from the environment would take local code off the machine.
            trust_env=not local,
            # The answer to code is never fetched from elsewhere.
            follow_redirects=False,
        )

    async def get(self, path: str) -> httpx.Response:
        """The answer, whatever its status.

        Raises:
            EngineError: there is none.
        """
        return await self._send(self._http.build_request("GET", path), stream=False)

    async def post(self, path: str, body: Mapping[str, Any]) -> httpx.Response:
        """As :meth:`get`."""
        return await self._send(self._http.build_request("POST", path, json=body), stream=False)

    @contextlib.asynccontextmanager
    async def stream(
        self, path: str, body: Mapping[str, Any], *, quotable: str, read_timeout_s: float = 0.0
    ) -> AsyncIterator[httpx.Response]:
        """Post ``body``; the response is open until the context ends, which closes it.

        quotable: the prompt's text, which no error message may repeat.

        Raises:
            EngineError: no server, a refusal, or the stream broke off.
        """
        timeout = httpx.Timeout(max(_READ_TIMEOUT_S, read_timeout_s), connect=_CONNECT_TIMEOUT_S)
        request = self._http.build_request("POST", path, json=body, timeout=timeout)
        response = await self._send(request, stream=True)
        try:
            if response.status_code != httpx.codes.OK:
                await response.aread()
                raise self.refusal(response, quotable=quotable)
            yield response
        except httpx.HTTPError as error:
            raise EngineError(
                f"the stream from {self.address} broke off: {type(error).__name__}",
                hint="the server's own log says why; the next request tries it again",
            ) from error
        finally:
            await response.aclose()

    def refusal(self, response: httpx.Response, *, quotable: str = "") -> EngineError:
        """The error for an answer other than 200; its body has been read."""
        status = response.status_code
        lasting = status in {401, 403, 404, 405}  # no later request will fare better
        message = f"{self.address} answered {status} {response.reason_phrase}".rstrip()
        if excerpt := _excerpt(response, quotable):
            message += f": {excerpt}"
        hint = _HINTS.get(status, "the server's own log says why")
        return (EngineDeadError if lasting else EngineError)(message, hint=hint)

    async def aclose(self) -> None:
        """Close all connections. Idempotent."""
        await self._http.aclose()

    async def _send(self, request: httpx.Request, *, stream: bool) -> httpx.Response:
        """Send, and again while no answer has begun."""
        attempt = 0
        while True:
            attempt += 1
            try:
                response = await self._http.send(request, stream=stream)
            except _RETRIED_ERRORS as error:
                if (wait_s := self._retry.wait_s(attempt)) is None:
                    reason = str(error) if isinstance(error, httpx.ConnectError) else ""
                    raise EngineError(
                        f"no answer from {self.address} after {attempt} attempts: "
                        f"{reason or type(error).__name__}",
                        hint="check the address and that the server is running",
                    ) from error
            except httpx.HTTPError as error:
                raise EngineError(
                    f"no answer from {self.address}: {type(error).__name__}",
                    hint="the server took the request and didn't answer: its own log says why",
                ) from error
            else:
                if response.status_code not in _RETRIED_STATUS:
                    return response
                if (wait_s := self._retry.wait_s(attempt, response)) is None:
                    return response
                await response.aclose()
            _log.debug("attempt %d at %s failed; again in %.2f s", attempt, self.address, wait_s)
            await asyncio.sleep(wait_s)


def _parse(address: str) -> httpx.URL:
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in {"http", "https"} or not url.host:
        raise ConfigError(
            "the engine's address is not an http or https address",
            hint="write it like http://127.0.0.1:8080",
        )
    if url.userinfo or url.query or url.fragment:
        raise ConfigError(
            "the engine's address carries a password, a query or a fragment",
            hint=f"give the bare address, and a key in the variable {API_KEY_VARIABLE}",
        )
    path = url.path.rstrip("/").removesuffix("/v1")
    return url.copy_with(path=path or "/")


def _retry_after_s(response: httpx.Response) -> float | None:
    """Of the Retry-After header, in seconds or as a date (RFC 9110, 10.2.3)."""
    value = response.headers.get("Retry-After", "")
    if value.isdecimal():
        return float(value)
    try:
        when = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    now = dt.datetime.now(dt.timezone.utc)
    return max(0.0, (when.astimezone(dt.timezone.utc) - now).total_seconds())


def _excerpt(response: httpx.Response, quotable: str) -> str:
    """What the server says is wrong, if it says so in JSON and doesn't repeat the prompt.

    Servers that validate requests like to quote them, so everything but the message is dropped, and
    the message too if it shares text with the prompt or lists numbers, which may be its ids.
    """
    try:
        body = json.loads(response.content)
    except ValueError:
        return ""
    error = body.get("error", body) if isinstance(body, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    if not isinstance(message, str):
        return ""
    message = " ".join(message[:_EXCERPT_CHARS].split())
    quotable = " ".join(quotable.split())
    starts = range(max(1, len(message) - _SHARED_CHARS + 1))
    quotes = any(message[start : start + _SHARED_CHARS] in quotable for start in starts)
    return "(a message that repeats the prompt)" if quotes or _lists_ids(message) else message


def _lists_ids(message: str) -> bool:
    """Whether there are four numbers in a row with only commas between them."""
    run = 0
    for word in message.split(","):
        run = run + 1 if word.strip(" []()").isdecimal() else 0
        if run >= 4:
            return True
    return False
