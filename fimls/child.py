"""Processes of ours that exchange JSON with their parent, a message a line, on standard input and
output: the indexer, the engine's worker, a conversion, a server for an export.

A child runs a module of ours and makes a :class:`Parent`. Its parent uses :class:`Child` from an
event loop, or :func:`child_messages` from a thread where the child only reports. A child ends when
its parent does, even while it is busy. (The sandbox has a protocol of its own, because the code it
runs isn't trusted.)
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Generator, Mapping, Sequence
from typing import Any

from fimls import IMPORT_ROOT

_READ_BYTES = 1 << 20
_LINE_BYTES = 1 << 20
# How often a child looks for its parent, and how long it may take to end by itself.
_LOOK_EVERY_S = 1.0
_END_S = 1.0
# Of what a child printed before it ended: the end, as much as fits an error message.
_SAID_BYTES = 2000
_SAID_LINES = 3
_SAID_TIMEOUT_S = 1.0


class ParentGoneError(Exception):
    """The parent closed its end, or died."""


class ChildDiedError(Exception):
    """The child ended by itself. The text says how, and what it said last."""

    def __init__(self, code: int, said: str) -> None:
        self.how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        """As words to put after a subject."""
        lines = list(filter(None, map(str.strip, said.splitlines())))
        super().__init__(": ".join(filter(None, (self.how, "; ".join(lines[-_SAID_LINES:])))))
        self.code = code
        """The exit status; of a killed process minus the signal's number."""
        self.said = said
        """The end of what it wrote to standard error."""


def module_command(module: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs one of our modules."""
    return (sys.executable, "-m", module, *arguments)


class Parent:
    """The parent as the child sees it. Both methods raise ParentGoneError.

    incoming, outgoing: file descriptors.
    """

    def __init__(self, incoming: int, outgoing: int) -> None:
        self._incoming, self._outgoing = incoming, outgoing
        self._buffer = b""
        self._messages: deque[dict[str, Any]] = deque()

    @classmethod
    def connect(cls, *, interruptible: bool = False) -> Parent:
        """Take standard input and output for messages, and see to it that this process ends when
        the parent does.

        Whatever else is printed, by native code too, goes to standard error from now on.

        interruptible: Ctrl-C ends this process at once, instead of being for the parent alone. For
        children of :func:`child_messages`.
        """
        if not interruptible:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        elif signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # at once, in native code too
        outgoing = os.dup(1)
        os.dup2(2, 1)
        watch = threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True)
        watch.start()
        return cls(0, outgoing)

    def receive(self, timeout_s: float | None = 0) -> dict[str, Any] | None:
        """Return the next message; None if none comes within ``timeout_s`` (None: wait for it)."""
        while not self._messages:
            if not select.select([self._incoming], [], [], timeout_s)[0]:
                return None
            data = os.read(self._incoming, _READ_BYTES)
            if not data:
                raise ParentGoneError
            *lines, self._buffer = (self._buffer + data).split(b"\n")
            self._messages.extend(map(json.loads, lines))
        return self._messages.popleft()

    def send(self, **message: object) -> None:
        """Send a message."""
        data = json.dumps(message).encode() + b"\n"
        try:
            while data:
                data = data[os.write(self._outgoing, data) :]
        except BrokenPipeError:
            raise ParentGoneError from None


def _end_with(parent: int) -> None:
    """End this process when its parent is gone, if it hasn't ended by itself a moment later.

    A hang-up of standard input says so at once, whatever is still to be read; the parent's number,
    where another process holds the pipe open.
    """
    standard_input = select.poll()
    standard_input.register(0, 0)  # hang-ups need not be asked for
    while os.getppid() == parent and not standard_input.poll(_LOOK_EVERY_S * 1000):
        pass
    time.sleep(_END_S)
    os._exit(1)


class Child:
    """A child as its parent's event loop sees it. Made by :meth:`start`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._said = b""
        self._listening = asyncio.create_task(self._listen_to_errors())

    @classmethod
    async def start(cls, command: Sequence[str]) -> Child:
        """Start a process, which need not be ready yet.

        Raises:
            OSError: it can't be started.
        """
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=IMPORT_ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_LINE_BYTES,
            start_new_session=True,  # Ctrl-C in a terminal is for the parent
        )
        return cls(process)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def listens(self) -> bool:
        """Whether a message can still be sent."""
        assert self._process.stdin is not None
        return self._process.returncode is None and not self._process.stdin.is_closing()

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message; it is lost if the child doesn't listen any more."""
        assert self._process.stdin is not None
        if self.listens:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        """All messages until the child's end; other lines are taken for what it says of itself."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            message = _message(line)
            if message is None:
                self._keep(line)
            else:
                yield message

    async def ended(self) -> ChildDiedError:
        """Wait until the process has ended, and say how."""
        code = await self._process.wait()
        await asyncio.wait([self._listening], timeout=_SAID_TIMEOUT_S)
        return ChildDiedError(code, self._said.decode(errors="replace"))

    async def aclose(self, patience_s: float = 1.0) -> None:
        """End the process; it may take ``patience_s`` to do so by itself. Idempotent."""
        if self._process.returncode is None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                await asyncio.wait_for(self._process.wait(), patience_s)
            except asyncio.TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
                await self._process.wait()
        await asyncio.gather(self._listening, return_exceptions=True)

    async def _listen_to_errors(self) -> None:
        assert self._process.stderr is not None
        while data := await self._process.stderr.read(_SAID_BYTES):
            self._keep(data)

    def _keep(self, data: bytes) -> None:
        self._said = (self._said + data)[-_SAID_BYTES:]


def child_messages(command: Sequence[str]) -> Generator[dict[str, Any], None, None]:
    """Run a child to its end and yield its messages; for threads without an event loop.

    The child is killed where the iterator is closed early. It shares the caller's terminal: Ctrl-C
    can't interrupt a thread that waits here, but the child that it waits for.

    Raises:
        ChildDiedError: it ended with another status than 0. OSError: it can't be started.
    """
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(  # noqa: S603 - one of our modules
            command,
            cwd=IMPORT_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        with process:
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    if (message := _message(line)) is not None:
                        yield message
                process.wait()
            finally:
                if process.poll() is None:
                    process.kill()
        if process.returncode:
            errors.seek(max(0, errors.seek(0, os.SEEK_END) - _SAID_BYTES))
            raise ChildDiedError(process.returncode, errors.read().decode(errors="replace"))


def _message(line: bytes) -> dict[str, Any] | None:
    """A line as a message, None if it is none: printed by native code, or cut off by a death."""
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None
