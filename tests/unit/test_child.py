"""Child processes: messages both ways, deaths with a reason, and no child outlives its parent."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from fimls.child import Child, ChildDiedError, child_messages
from tests.clocks import until

ECHO = """
from fimls.child import Parent, ParentGoneError
parent = Parent.connect()
print("native noise")
try:
    while message := parent.receive(timeout_s=None):
        parent.send(event="echo", of=message)
except ParentGoneError:
    pass
"""
BUSY = """
import os
from fimls.child import Parent
parent = Parent.connect()
parent.send(event="busy", pid=os.getpid())
while True:
    pass
"""
REPORT = """
import os, sys
from fimls.child import Parent
parent = Parent.connect()
for number in range(3):
    parent.send(number=number)
sys.stderr.write("loading\\n\\nno such model\\n")
sys.stderr.flush()
{end}
"""


def command(code: str) -> tuple[str, ...]:
    """The command of a child that runs this code."""
    return (sys.executable, "-c", code)


def is_running(pid: int) -> bool:
    """Whether there is such a process, and it hasn't ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def test_messages_go_both_ways() -> None:
    """In order, of any size and with any text; what else is printed is no message."""
    child = await Child.start(command(ECHO))
    texts = ["one", "line\nends \u2028 here", "x" * 300_000]
    for text in texts:
        child.send({"text": text})
    heard = []
    async for message in child.messages():
        heard.append(message)
        if len(heard) == len(texts):
            await child.aclose()
    assert [{"event": "echo", "of": {"text": text}} for text in texts] == heard
    ended = await child.ended()
    assert (0, "native noise\n") == (ended.code, ended.said)


async def test_a_message_after_the_end_is_lost() -> None:
    """Nothing is raised: the end of the messages says it."""
    child = await Child.start(command("raise SystemExit(4)"))
    assert [] == [message async for message in child.messages()]
    assert "ended with code 4" == str(await child.ended())
    child.send({"text": "too late"})
    assert not child.listens
    await child.aclose()


async def test_a_busy_child_is_killed() -> None:
    """One that can't listen isn't waited for any longer than its parent says."""
    child = await Child.start(command(BUSY))
    await anext(child.messages())
    await child.aclose(patience_s=0)
    assert "was killed by signal 9" == (await child.ended()).how


async def test_a_busy_child_ends_with_its_parent() -> None:
    """A parent that is killed has no time to close anything."""
    parent = (
        "import asyncio, sys\n"
        "from fimls.child import Child\n"
        "async def main():\n"
        f"    child = await Child.start((sys.executable, '-c', {BUSY!r}))\n"
        "    async for message in child.messages():\n"
        "        print(message['pid'], flush=True)\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(*command(parent), stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    child = int(await process.stdout.readline())
    assert is_running(child)
    process.kill()
    await process.wait()
    await until(lambda: not is_running(child))


async def test_an_orphan_ends_whoever_holds_its_pipe() -> None:
    """A process that was started meanwhile may have inherited the pipe: the parent's number says
    that it is gone.
    """
    reading, writing = os.pipe()
    parent = f"""
import subprocess, sys
child = subprocess.Popen((sys.executable, "-c", {BUSY!r}), stdin={reading})
child.wait()
"""
    process = await asyncio.create_subprocess_exec(
        *command(parent), pass_fds=(reading,), stdout=asyncio.subprocess.PIPE
    )
    os.close(reading)
    assert process.stdout is not None
    pid = json.loads(await process.stdout.readline())["pid"]
    process.kill()
    await process.wait()
    await until(lambda: not is_running(pid))
    os.close(writing)


def test_a_child_that_reports() -> None:
    """All its messages come, then how it ended, unless it went well."""
    assert [{"number": 0}, {"number": 1}, {"number": 2}] == [
        *child_messages(command(REPORT.format(end="")))
    ]


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ("sys.exit(3)", "ended with code 3: loading; no such model"),
        ("os.kill(os.getpid(), 9)", "was killed by signal 9: loading; no such model"),
    ],
)
def test_a_child_that_dies(end: str, expected: str) -> None:
    """Its messages come first; the error has the code or signal, and what it said last."""
    heard: list[dict[str, Any]] = []
    with pytest.raises(ChildDiedError) as caught:
        heard.extend(child_messages(command(REPORT.format(end=end))))
    assert (3, expected) == (len(heard), str(caught.value))


async def test_ctrl_c_ends_what_a_thread_waits_for() -> None:
    """A command whose event loop waits for such a thread ends, and so does the child."""
    busy = BUSY.replace("connect()", "connect(interruptible=True)")
    parent = f"""
import asyncio, signal, sys
from fimls.child import child_messages
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
def listen():
    for message in child_messages((sys.executable, "-c", {busy!r})):
        print(message["pid"], flush=True)
asyncio.run(asyncio.to_thread(listen))
"""
    process = await asyncio.create_subprocess_exec(
        *command(parent),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,  # as in a terminal of its own
    )
    assert process.stdout is not None
    child = int(await process.stdout.readline())
    os.killpg(process.pid, signal.SIGINT)
    await process.wait()
    assert not is_running(child)


async def test_a_child_that_nobody_listens_to_is_ended() -> None:
    """An interrupted conversion doesn't go on."""
    with contextlib.closing(child_messages(command(BUSY))) as messages:
        pid = next(messages)["pid"]
    await until(lambda: not is_running(pid))
