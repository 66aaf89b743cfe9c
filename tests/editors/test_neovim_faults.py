"""What is wrong around Neovim is said, with the next step, or leaves it alone."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.editors.installed import editor
from tests.editors.neovim import Neovim

pytestmark = [
    pytest.mark.editors,
    pytest.mark.timeout(180),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

_SAID_S = 30.0
_OTHER_VERSION = """
import json, sys
while header := sys.stdin.buffer.readline():
    sys.stdin.buffer.readline()
    message = json.loads(sys.stdin.buffer.read(int(header.split(b":")[1])))
    if message.get("method") == "exit":
        break
    if "id" in message:
        result = {"capabilities": {}, "serverInfo": {"name": "fimls", "version": "7.8.9"}}
        answer = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result})
        sys.stdout.write(f"Content-Length: {len(answer)}\\r\\n\\r\\n{answer}")
        sys.stdout.flush()
"""

Write = Callable[[str, str], Path]


@contextmanager
def started(server: list[str], home: Path) -> Iterator[Neovim]:
    """A Neovim 0.12 with the plugin."""
    vim = Neovim(editor("nvim-0.12") / "usr" / "bin" / "nvim", server, home)
    yield vim
    vim.close()


def test_no_program(tmp_path: Path, write: Write) -> None:
    """The status names what is missing, and the health check how to get it."""
    with started(["fimls-is-not-here", "serve"], tmp_path / "home") as vim:
        vim.vim.command(f"edit {write('a.py', '')}")
        vim.until(lambda: vim.state() == "error", _SAID_S, "the error")
        message = vim.lua("return require('fimls.status').message")
        assert "there is no program fimls-is-not-here; :checkhealth fimls" == message
        vim.vim.command("checkhealth fimls")
        assert "uv tool install fimls" in vim.text()


def test_a_server_of_another_version(tmp_path: Path, write: Write) -> None:
    """Both versions are named, and what to do."""
    other = tmp_path / "other.py"
    other.write_text(_OTHER_VERSION)
    with started([sys.executable, str(other)], tmp_path / "home") as vim:
        vim.vim.command(f"edit {write('a.py', '')}")
        vim.until(lambda: "7.8.9" in vim.messages(), _SAID_S, "the warning")
        assert "made for 0.1" in vim.messages()
        assert "pip install -U fimls" in vim.messages()


def test_a_command_that_is_no_server(tmp_path: Path, write: Write) -> None:
    """It is tried again for a while, then given up, with the log named."""
    with started(["false"], tmp_path / "home") as vim:
        vim.vim.command(f"edit {write('a.py', '')}")
        vim.until(
            lambda: "died" in str(vim.lua("return require('fimls.status').message")),
            _SAID_S,
            "the death to be said",
        )


def test_buffers_without_a_file(server: list[str], tmp_path: Path, write: Write) -> None:
    """A new buffer is completed; one that can't be changed, and one of five megabytes, are not."""
    with started(server, tmp_path / "home") as vim:
        vim.edit(write("a.py", ""))
        vim.vim.command("enew")
        vim.keys("ireturn ")
        vim.until(lambda: "width" in vim.ghost(), _SAID_S, "a ghost")
        vim.keys("<Esc>")
        vim.vim.command("set hidden")
        read_only = write("b.py", "return \n")
        vim.vim.command(f"view {read_only}")
        vim.vim.command("setlocal nomodifiable")
        vim.keys("A")
        time.sleep(0.5)
        assert "" == vim.ghost()
        vim.keys("<Esc>")
        vim.vim.command(f"edit {write('big.py', 'x = 1' + chr(10) * 5_000_000)}")
        vim.keys("ggOreturn ")
        time.sleep(1.5)
        assert "" == vim.ghost()
        vim.keys("<Esc>")
        vim.vim.command(f"edit {write('c.py', '')}")
        vim.keys("ireturn ")
        vim.until(lambda: "width" in vim.ghost(), _SAID_S, "a ghost")
