"""One recorded session: what an editor writes to ``fimls serve --stdio``, and what it reads.

Each request waits for its answer, so that the order of answers is that of requests. What the server
says unasked may come between any two of them and is kept as a list of its own.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from fimls import __version__
from tests.snapshots.stored import compare
from tests.snapshots.wire import Wire, served

URI = "file:///project/area.py"
SOURCE = '''\
"""Areas. \N{LARGE YELLOW CIRCLE}"""


def area(width, height):
    size = \n

def total(shapes):

    return
'''
RULES: list[dict[str, Any]] = [
    {"after": "size = ", "insert": ["width * height\n    return size\n", "height * width", "0"]},
    {"after": "size = m", "insert": "max(width, height)"},
    {
        "after": "def total(shapes):\n    ",
        "insert": ["found = 0\n    for one in shapes:\n        a"],
    },
    {"after": "# likely ", "insert": ["nothing", "something"], "logprob": -3.0},
    {"after": "# broken ", "fail": "raise"},
    {"after": "# slow ", "fail": "hang"},
    {"after": "# \N{LARGE YELLOW CIRCLE} ", "insert": "a circle"},
]


def steady(line: str) -> str:
    """Return a line without what no two sessions share: durations and the package's version."""
    line = re.sub(r'("stages_ms": ?\{)[^}]*', r"\1...", line)
    line = re.sub(r'"flight": (null|\{[^}]*\}), ', "", line)  # its age is a duration
    line = re.sub(r"\b\d+(\.\d+)? ms\b", "... ms", line)
    return line.replace(f'"version":"{__version__}"', '"version":"..."')


def type_and_take(wire: Wire) -> None:
    """Ghost text while typing, asked for, taken in part and as a whole, and explained."""
    wire.ghost(4, 11)
    for typed, key in enumerate("wid"):
        wire.change(4, 11 + typed, key)
        (item,) = wire.ghost(4, 12 + typed)
    taken = {"insertText": item["insertText"], "command": item["command"]}
    wire.notify("textDocument/didShowCompletion", item=taken)
    wire.notify("textDocument/didPartiallyAcceptCompletion", item=taken, acceptedLength=2)
    wire.run(item["command"]["command"], *item["command"]["arguments"])
    wire.run("fimls.status")
    wire.run("fimls.why", {"since": 0})
    wire.change(4, 14, "th * height")
    wire.ghost(4, 25)
    wire.change(4, 11, "", removed=14)
    wire.ghost(4, 11, invoked=True)
    wire.run("fimls.why", {"ids": True})
    wire.change(4, 11, "m")
    wire.ghost(4, 12)
    wire.run("fimls.explain")
    wire.ask("textDocument/completion", **wire.place(4, 12))


def type_elsewhere(wire: Wire) -> None:
    """A block of several lines, a position behind an astral character, what is held back."""
    wire.change(7, 0, "    ")
    wire.ghost(7, 4)
    wire.run("fimls.why")
    wire.change(0, 0, "# \N{LARGE YELLOW CIRCLE} \n")
    wire.ghost(0, 5)
    wire.change(0, 0, "# likely ", removed=5)
    wire.ghost(0, 9)
    wire.run("fimls.why")
    wire.ghost(0, 9, invoked=True)
    wire.ghost(99, 0)


def go_wrong(wire: Wire) -> None:
    """An engine that fails, a request given up, settings that are wrong, words that are no LSP."""
    wire.change(0, 0, "# broken ", removed=9)
    wire.ghost(0, 9)
    wire.change(0, 0, "# slow ", removed=9)
    wire.ask("textDocument/inlineCompletion", cancel=True, **wire.place(0, 7), context=AUTOMATIC)
    wire.change(0, 0, "", removed=7)
    wire.notify("workspace/didChangeConfiguration", settings={"fimls": {"multiine": "never"}})
    wire.notify("workspace/didChangeConfiguration", settings={"fimls": {"candidates": 99}})
    wire.ghost(5, 11, invoked=True)
    settings = {"fimls": {"languages_off": ["python"], "candidates": 2}}
    wire.notify("workspace/didChangeConfiguration", settings=settings)
    wire.ghost(5, 11)
    wire.ghost(5, 11, invoked=True)
    wire.ask("textDocument/inlineCompletion", textDocument={"uri": URI})
    wire.ask("fimls/nothing")
    wire.run("fimls.nothing")
    wire.said.append("> {no JSON")
    wire.write_body(b"{no JSON")
    wire.answer(None)


AUTOMATIC = {"triggerKind": 2}


def test_session(tmp_path: Path) -> None:
    """Word for word the stored answers, and in their order what the server says unasked."""
    with served(tmp_path, RULES, URI) as (wire, process):
        wire.ask("textDocument/hover")
        wire.initialize(rootUri=None)
        wire.open("python", SOURCE)
        type_and_take(wire)
        type_elsewhere(wire)
        go_wrong(wire)
        wire.notify("textDocument/didClose", textDocument={"uri": URI})
        wire.ask("textDocument/inlineCompletion", **wire.place(5, 11), context=AUTOMATIC)
        wire.ask("shutdown")
        wire.ask("textDocument/inlineCompletion", **wire.place(5, 11), context=AUTOMATIC)
        wire.notify("exit")
        assert wire.read() is None
        assert 0 == process.wait()
    compare("session.txt", "\n".join(map(steady, [*wire.said, "", *wire.unasked])) + "\n")
