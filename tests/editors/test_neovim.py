"""Neovim 0.12 and 0.10 with the plugin, the scripted server, and once the real model."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.editors.installed import FIMLS, editor, program
from tests.editors.neovim import Neovim
from tests.editors.record import ProcessorTime, measured
from tests.editors.relay import answers, next_time, relay_script
from tests.editors.screen import write_picture
from tests.editors.typist import two_hundred_edits, type_fast

pytestmark = [
    pytest.mark.editors,
    pytest.mark.timeout(180),
    # pynvim leaves its child and pipes to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

DISPLAYS = [
    pytest.param(("nvim-0.12", "native"), id="0.12-native"),
    pytest.param(("nvim-0.12", "own"), id="0.12-own"),
    pytest.param(("nvim-0.10", "own"), id="0.10"),
]
_GHOST_S = 30.0

Write = Callable[[str, str], Path]


@pytest.fixture(params=DISPLAYS)
def vim(request: pytest.FixtureRequest, server: list[str], tmp_path: Path) -> Iterator[Neovim]:
    """A Neovim with the plugin, of each version and display."""
    version, display = request.param
    binary = editor(version) / "usr" / "bin" / "nvim"
    found = Neovim(binary, server, tmp_path / "home", f"{{ display = '{display}' }}")
    yield found
    found.close()


def _type(vim: Neovim, text: str, pause_s: float = 0.01) -> None:
    for character in text:
        vim.keys({" ": "<Space>", "<": "<lt>", "\n": "<CR>"}.get(character, character))
        time.sleep(pause_s)


def _appears(vim: Neovim, text: str) -> None:
    vim.until(lambda: vim.ghost() == text, _GHOST_S, f"the ghost {text!r}")


def _becomes(vim: Neovim, text: str) -> None:
    vim.until(lambda: vim.text() == text, _GHOST_S, f"the text {text!r}, there is {vim.text()!r}")


def test_a_suggestion_is_seen_and_taken_whole(vim: Neovim, write: Write) -> None:
    """Grey text behind the cursor; Tab makes it the file's, as one undo step."""
    file = write("a.py", "def area(self):\n    \n")
    vim.edit(file)
    vim.keys("jA")
    _type(vim, "return ")
    _appears(vim, "self.width * self.height")
    vim.keys("<Tab>")
    _becomes(vim, "def area(self):\n    return self.width * self.height")
    assert "" == vim.ghost()
    vim.keys("<Esc>:w<CR>")
    vim.until(lambda: "height" in file.read_text(), _GHOST_S, "the file to be saved")
    assert "def area(self):\n    return self.width * self.height\n" == file.read_text()
    vim.keys("u")
    _becomes(vim, "def area(self):\n    return ")


def test_words_and_lines_are_taken_one_by_one(vim: Neovim, write: Write) -> None:
    """Each taken part stays, and what is left of the suggestion is still there."""
    vim.edit(write("a.py", "def total(items):\n    total = 0\n    \n    return total\n"))
    vim.keys("jjA")
    _type(vim, "for ")
    _appears(vim, "item in items:")
    vim.keys("<C-Right>")
    vim.until(lambda: "    for item" in vim.text(), _GHOST_S, "the first word")
    _appears(vim, " in items:")
    vim.keys("<M-l>")
    vim.until(lambda: "    for item in items:" in vim.text(), _GHOST_S, "the line")


def test_candidates_take_turns(vim: Neovim, write: Write) -> None:
    """Asked by hand there are several, and the keys go round."""
    vim.edit(write("a.py", "def area(self):\n    \n"))
    vim.keys("jA")
    _type(vim, "return ")
    _appears(vim, "self.width * self.height")
    vim.lua("require('fimls').trigger()")
    time.sleep(0.4)
    vim.lua("require('fimls').cycle(1)")
    vim.until(lambda: vim.ghost().startswith("42"), _GHOST_S, "the second candidate")


def test_typing_along_keeps_it_and_typing_otherwise_clears_it(vim: Neovim, write: Write) -> None:
    """What agrees with the ghost shortens it at once; what doesn't takes it away at once."""
    vim.edit(write("a.py", "def area(self):\n    \n"))
    vim.keys("jA")
    _type(vim, "return ")
    _appears(vim, "self.width * self.height")
    vim.keys("self.w")
    _appears(vim, "idth * self.height")
    vim.keys("Z")
    vim.until(lambda: vim.text().endswith("self.wZ"), _GHOST_S, "the key")
    assert "idth * self.height" not in vim.ghost()


def test_leaving_insert_mode_clears_it(vim: Neovim, write: Write) -> None:
    """No ghost stands in normal mode."""
    vim.edit(write("a.py", "def area(self):\n    \n"))
    vim.keys("jA")
    _type(vim, "return ")
    _appears(vim, "self.width * self.height")
    vim.keys("<Esc>")
    vim.until(lambda: vim.ghost() == "", _GHOST_S, "the ghost to go")


def test_letters_beyond_ascii_stay_in_place(vim: Neovim, write: Write) -> None:
    """Positions are UTF-16 on the wire and bytes in Neovim."""
    vim.edit(write("a.py", "# 🌳 größer\n\n"))
    vim.keys("jA")
    _type(vim, "größe = ")
    _appears(vim, "breite * höhe")
    vim.keys("<Tab>")
    _becomes(vim, "# 🌳 größer\ngröße = breite * höhe")


def test_crlf_files_keep_their_line_ends(vim: Neovim, write: Write) -> None:
    """A file with DOS line ends has no others after a suggestion of two lines."""
    file = write("a.py", "def total(items):\r\n    total = 0\r\n    \r\n")
    vim.edit(file)
    vim.keys("jjA")
    _type(vim, "return ")
    _appears(vim, "self.width * self.height")
    vim.keys("<Tab>")
    vim.until(lambda: "height" in vim.text(), _GHOST_S, "the text")
    vim.keys("<Esc>:w<CR>")
    vim.until(lambda: b"height" in file.read_bytes(), _GHOST_S, "the file to be saved")
    assert file.read_bytes().count(b"\n") == file.read_bytes().count(b"\r\n")


def test_off_is_off(vim: Neovim, write: Write) -> None:
    """Switched off for a buffer there is no suggestion, switched on again there is."""
    vim.edit(write("a.py", "def area(self):\n    \n"))
    vim.vim.command("Fimls buffer")
    vim.keys("jA")
    _type(vim, "return ")
    time.sleep(0.6)
    assert "" == vim.ghost()
    vim.keys("<Esc>:Fimls buffer<CR>A<BS>")
    vim.until(lambda: vim.state() == "ready", _GHOST_S, "ready")
    _type(vim, " ")
    _appears(vim, "self.width * self.height")


def test_what_is_typed_in_the_same_moment_is_completed(vim: Neovim, write: Write) -> None:
    """Keys that Neovim reads together with the command that switches on."""
    vim.edit(write("a.py", "def area(self):\n    \n"))
    vim.vim.command("Fimls buffer")
    vim.keys("j:Fimls buffer<CR>Areturn<Space>")
    _appears(vim, "self.width * self.height")


def test_a_killed_server_comes_back(vim: Neovim, write: Write) -> None:
    """It is started again by itself, and completes again."""
    vim.edit(write("a.py", "def area(self):\n    \n"))
    os.kill(vim.server_pid(), signal.SIGKILL)
    vim.until(lambda: vim.state() != "ready", _GHOST_S, "the death to be noticed")
    vim.until(lambda: vim.state() == "ready", _GHOST_S, "the server to be back")
    vim.keys("jA")
    _type(vim, "return ")
    _appears(vim, "self.width * self.height")


def test_two_files_have_one_server(vim: Neovim, write: Write) -> None:
    """The second file is completed too, and the model is loaded once."""
    vim.edit(write("a.py", "def area(self):\n    \n"))
    vim.edit(write("b.py", "\n"))
    vim.keys("A")
    _type(vim, "second = ")
    _appears(vim, "compute_second()")
    assert 1 == vim.lua("return #vim.lsp.get_clients({ name = 'fimls' })")


class _Screen:
    """As :class:`tests.editors.typist.Screen`."""

    def __init__(self, vim: Neovim) -> None:
        self._vim = vim
        self.ghost = vim.ghost

    def key(self, character: str) -> None:
        _type(self._vim, character, 0)

    def take(self) -> None:
        self._vim.keys("<Tab>")


def test_fast_typing_loses_no_key_and_shows_no_stale_ghost(vim: Neovim, write: Write) -> None:
    """200 edits at 15 keys a second: the file is what was typed and accepted."""
    file = write("a.py", "")
    vim.edit(file)
    vim.vim.command("set noautoindent")
    vim.keys("i")
    typed = type_fast(_Screen(vim), two_hundred_edits(seed=1))
    vim.keys("<Esc>:w<CR>")
    vim.until(lambda: file.stat().st_size > len(typed.text) // 2, _GHOST_S, "the file to be saved")
    assert [] == typed.wrong
    assert typed.text.removesuffix("\n") == file.read_text().removesuffix("\n")
    assert typed.taken >= 3


@pytest.mark.parametrize(("version", "display"), [one.values[0] for one in DISPLAYS])
def test_a_ghost_is_there_as_soon_as_the_server_has_answered(
    version: str, display: str, server: list[str], tmp_path: Path, write: Write
) -> None:
    """The median of ten."""
    relayed, log = relay_script(tmp_path, FIMLS)
    since = ProcessorTime()
    binary = editor(version) / "usr" / "bin" / "nvim"
    command = [str(relayed), *server[1:]]
    vim = Neovim(binary, command, tmp_path / "home", f"{{ display = '{display}' }}")
    try:
        vim.edit(write("a.py", "\n" * 12))
        vim.watch_ghosts()
        waits = []
        for line in range(1, 11):
            vim.keys(f"{line}GA")
            seen, answered = len(vim.ghosts_seen()), len(answers(log))
            _type(vim, "return ")
            _appears(vim, "self.width * self.height")
            answer = next_time(lambda: answers(log), answered)
            waits.append(1000 * (next_time(vim.ghosts_seen, seen) - answer))
            vim.keys("<Esc>")
            vim.until(lambda: vim.ghost() == "", _GHOST_S, "the ghost to go")
    finally:
        vim.close()
    measured("ghost_after_answer_ms", f"{version} {display}", waits, target=50, since=since)


@pytest.mark.parametrize("version", ["nvim-0.12", "nvim-0.10"])
def test_the_plugin_costs_hardly_any_start_up(version: str, tmp_path: Path) -> None:
    """With it a start takes less than twice as long, by Neovim's own clock; the medians of several
    starts.
    """
    binary = editor(version) / "usr" / "bin" / "nvim"
    plugin = Path(__file__).parents[2] / "editor-plugins" / "neovim"

    def start_ms(*commands: str) -> float:
        log = tmp_path / "startup.log"
        log.unlink(missing_ok=True)
        options = [part for command in commands for part in ("--cmd", command)]
        command = [str(binary), "--headless", "-i", "NONE", "-u", "NORC", *options]
        subprocess.run(
            [*command, "--startuptime", str(log), "+qa"],
            check=True,
            capture_output=True,
            timeout=60,
        )
        return float(log.read_text().strip().splitlines()[-1].split()[0])

    setup = f"lua vim.opt.rtp:prepend('{plugin}') require('fimls').setup()"
    since = ProcessorTime()
    # In turns: what else the machine does meets both.
    pairs = [(start_ms(), start_ms(setup)) for _ in range(7)]
    without, with_plugin = map(statistics.median, zip(*pairs, strict=True))
    measured("start_up_ms", version, [with_plugin - without], target=5, since=since)
    assert with_plugin < 2 * without


@pytest.mark.weights
@pytest.mark.slow
def test_the_real_model_completes_a_real_file(
    default_model: object, tmp_path: Path, repository: Path
) -> None:
    """The default model's text appears as ghost text in Neovim 0.12."""
    del default_model
    source = Path(__file__).parents[2] / "examples" / "shapes.py"
    file = repository / "shapes.py"
    lines = source.read_text().splitlines()
    file.write_text("\n".join(lines[:22]) + "\n        \n")
    binary = editor("nvim-0.12") / "usr" / "bin" / "nvim"
    vim = Neovim(binary, [str(FIMLS), "serve", "--stdio"], tmp_path / "home")
    try:
        vim.vim.command(f"cd {repository} | syntax on")
        vim.edit(file, timeout_s=40)
        vim.keys("GA")
        _type(vim, "return")
        vim.until(lambda: vim.ghost() != "", 20, "a suggestion")
        if folder := os.environ.get("FIMLS_SCREENSHOTS"):
            vim.vim.command(r"set cmdheight=1 statusline=%t\ %m%=%l,%c")
            write_picture(vim.grid(), program("chromium"), Path(folder) / "neovim-model.png")
    finally:
        vim.close()
