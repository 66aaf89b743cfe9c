"""A real Neovim with the plugin and a server: its screen and its buffers."""

from __future__ import annotations

import gc
import os
import subprocess
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pynvim

from tests.editors.screen import Grid

PLUGIN = Path(__file__).parents[2] / "editor-plugins" / "neovim"
_NAMESPACES = ("fimls.ghost", "nvim.lsp.inline_completion")
_START_S = 30.0
_COLUMNS, _ROWS = 84, 30
_WATCH = """
local names = ...
_G.ghosts_seen = {}
local there = false
vim.uv.new_timer():start(0, 1, vim.schedule_wrap(function()
  local now = false
  for _, name in ipairs(names) do
    local marks = vim.api.nvim_buf_get_extmarks(0, vim.api.nvim_create_namespace(name), 0, -1, {})
    now = now or #marks > 0
  end
  if now and not there then
    local seconds, microseconds = vim.uv.gettimeofday()
    table.insert(_G.ghosts_seen, seconds + microseconds / 1e6)
  end
  there = now
end))
"""


_WHY = """
local client = require('fimls.client')
local explanation
client.execute('fimls.explain', {}, function(result)
  explanation = result or 'nothing was asked'
end)
vim.wait(2000, function()
  return explanation ~= nil
end)
return explanation or 'it did not answer'
"""


class Neovim:
    """One Neovim. binary: which. server: the command of the language server.

    home: an empty folder for everything that Neovim writes. options: of the plugin, as Lua.
    """

    def __init__(
        self, binary: Path, server: Sequence[str], home: Path, options: str = "{}"
    ) -> None:
        home.mkdir()
        socket = home / "nvim.sock"
        self._process = subprocess.Popen(
            [binary, "--headless", "-u", "NONE", "-i", "NONE", "-n", "--listen", socket],
            env={
                **os.environ,
                "XDG_CONFIG_HOME": str(home / "config"),
                "XDG_DATA_HOME": str(home / "data"),
                "XDG_STATE_HOME": str(home / "state"),
                "XDG_CACHE_HOME": str(home / "cache"),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.vim = _attached(socket)
        self.vim.ui_attach(_COLUMNS, _ROWS, rgb=True, ext_linegrid=True)
        # Room for messages: a prompt to press Enter would wait for one.
        self.vim.command("set cmdheight=6 nomore")
        self.vim.command(f"set runtimepath^={PLUGIN}")
        self.vim.command("filetype on")
        self.vim.command("runtime! plugin/fimls.lua")
        cmd = "{" + ", ".join(f"'{part}'" for part in server) + "}"
        self.lua(f"require('fimls').setup(vim.tbl_extend('force', {{ cmd = {cmd} }}, {options}))")

    def server_pid(self) -> int:
        """The language server's process id; only Linux tells."""
        mine = self._process.pid
        children = Path(f"/proc/{mine}/task/{mine}/children").read_text().split()
        commands = {int(one): Path(f"/proc/{one}/cmdline").read_bytes() for one in children}
        return next(pid for pid, command in commands.items() if b"\0serve\0" in command)

    def lua(self, code: str, *arguments: object) -> Any:
        """Run Lua; return what it returns."""
        return self.vim.exec_lua(code, *arguments)

    def edit(self, path: Path, timeout_s: float = 40) -> None:
        """Open a file, and wait until the server is ready for it."""
        self.vim.command(f"edit {path}")
        self.until(lambda: self.state() == "ready", timeout_s, "the server to be ready")

    def state(self) -> str:
        """The server's state, as the status line has it."""
        return str(self.lua("return require('fimls.status').state"))

    def keys(self, keys: str) -> None:
        """Press keys, in Neovim's notation."""
        self.vim.input(keys)

    def ghost(self) -> str:
        """The ghost text on the screen, "" for none."""
        for name in _NAMESPACES:
            namespace = self.vim.api.create_namespace(name)
            marks = self.vim.api.buf_get_extmarks(0, namespace, 0, -1, {"details": True})
            for *_, details in marks:
                first = "".join(text for text, _ in details.get("virt_text", []))
                more = ["".join(text for text, _ in line) for line in details.get("virt_lines", [])]
                return "\n".join([first, *more])
        return ""

    def watch_ghosts(self) -> None:
        """From now on note, each millisecond, when a ghost text appears where none was."""
        self.lua(_WATCH, list(_NAMESPACES))

    def ghosts_seen(self) -> list[float]:
        """When ghost texts appeared since then: seconds since the epoch, oldest first."""
        return [float(one) for one in self.lua("return _G.ghosts_seen")]

    def text(self) -> str:
        """The buffer's text."""
        return "\n".join(self.vim.api.buf_get_lines(0, 0, -1, True))

    def until(self, condition: Callable[[], bool], timeout_s: float, what: str) -> float:
        """Wait for a condition; return the seconds it took. Raises TimeoutError."""
        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > timeout_s:
                raise TimeoutError(
                    f"waited {timeout_s} s for {what}; the buffer: {self.text()!r}; "
                    f"messages: {self.messages()}; the server: {self.why()}"
                )
            time.sleep(0.01)
        return time.monotonic() - began

    def why(self) -> str:
        """The server's explanation of its last answer, or why there is none."""
        return str(self.lua(_WHY))

    def messages(self) -> str:
        """What Neovim has said."""
        return str(self.vim.command_output("messages"))

    def grid(self) -> Grid:
        """What is on the screen."""
        self.vim.command("redraw!")
        self.lua("vim.rpcnotify(vim.api.nvim_list_uis()[1].chan, 'drawn')")
        grid = Grid()
        while (message := self.vim.next_message())[1] != "drawn":
            if message[1] == "redraw":
                grid.redraw(message[2])
        return grid

    def close(self) -> None:
        """Leave without saving."""
        self.vim.command("qall!", async_=True)
        self.vim.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        # pynvim leaves its loop and socket to the garbage collector, which complains of them.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            del self.vim
            gc.collect()


def _attached(path: Path) -> pynvim.Nvim:
    """Connected with the Neovim that is about to listen there: the file comes before that."""
    until = time.monotonic() + _START_S
    while True:
        try:
            return pynvim.attach("socket", path=str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            if time.monotonic() > until:
                raise
            time.sleep(0.01)
