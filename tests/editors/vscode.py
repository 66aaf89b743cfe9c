"""A real VS Code (code-server, headless Chromium) with the extension: its screen and its files."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Page

from fimls.store import store_root
from tests.shared_servers import shared_servers

_GHOST = ".monaco-editor [class*=ghost-text]"
_START_TIMEOUT_S = 40
_PICK_S = 30
_FLAGS = ("--auth", "none", "--disable-telemetry", "--disable-update-check")
_WATCH = """selector => {
  window.ghostsSeen = [];
  let there = false;
  new MutationObserver(() => {
    const now = document.querySelector(selector) !== null;
    if (now && !there) window.ghostsSeen.push(performance.timeOrigin + performance.now());
    there = now;
  }).observe(document.body, {childList: true, subtree: true});
}"""
QUIET = {
    "workbench.startupEditor": "none",
    "workbench.tips.enabled": False,
    "security.workspace.trust.enabled": False,
    "telemetry.telemetryLevel": "off",
    "update.mode": "none",
    "extensions.autoUpdate": False,
    "chat.commandCenter.enabled": False,
    "chat.disableAIFeatures": True,
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "editor.minimap.enabled": False,
    "editor.inlineSuggest.enabled": True,
    "editor.quickSuggestions": {"other": "off", "comments": "off", "strings": "off"},
    "files.autoSave": "off",
    "window.commandCenter": False,
}
"""Settings under which nothing but the extension talks."""


def install_extension(node: Path, entry: Path, vsix: Path, folder: Path) -> None:
    """Install an extension, as a person would, into an empty folder of extensions."""
    subprocess.run(
        [
            *(str(node), str(entry), "--user-data-dir", str(folder / "user")),
            *("--extensions-dir", str(folder / "extensions"), "--install-extension", str(vsix)),
        ],
        check=True,
        capture_output=True,
        env={**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder)},
        timeout=120,
    )


class CodeServer:
    """A code-server for several windows.

    installed: where :func:`install_extension` put the extension; nothing is written there.
    """

    def __init__(
        self, node: Path, entry: Path, installed: Path, home: Path, settings: Mapping[str, object]
    ) -> None:
        self._home, self._settings = home, dict(settings)
        self._change(settings)
        command = [str(node), str(entry), "--user-data-dir", str(home / "user")]
        command += ["--extensions-dir", str(installed / "extensions")]
        self._runtime = tempfile.TemporaryDirectory()  # a socket's path has to be short
        environment = {
            **os.environ,
            "HOME": str(home),
            "XDG_RUNTIME_DIR": self._runtime.name,
            "XDG_CONFIG_HOME": str(home),
            "FIMLS_HOME": str(store_root()),  # the models stay where they are
        }
        self.port = _free_port()
        self._log = (home / "code-server.log").open("wb")
        self._process = subprocess.Popen(
            [*command, *_FLAGS, "--bind-addr", f"127.0.0.1:{self.port}"],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        _wait_for(f"http://127.0.0.1:{self.port}/healthz")

    def set(self, **settings: object) -> None:
        """Settings other than the first ones, as the settings page makes them.

        Names without "fimls."; what an earlier call has changed is as at first.
        """
        named = {f"fimls.{name}": value for name, value in settings.items()}
        self._change({**self._settings, **named})

    def _change(self, settings: Mapping[str, object]) -> None:
        # A remote window, which code-server's is, reads what belongs to a machine from the second.
        for folder, written in (("User", {**QUIET, **settings}), ("Machine", settings)):
            path = self._home / "user" / folder / "settings.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(written))

    def servers(self) -> list[int]:
        """The processes of the servers that its windows share."""
        return shared_servers(Path(self._runtime.name))

    def address(self, folder: Path, file: Path | None = None) -> str:
        """The page of a folder, with a file open."""
        address = f"http://127.0.0.1:{self.port}/?folder={quote(str(folder))}"
        if file is not None:
            remote = f"vscode-remote://127.0.0.1:{self.port}{file}"
            payload = json.dumps([["openFile", remote]])
            address += f"&payload={quote(payload)}"
        return address

    def close(self) -> None:
        """End it and all that it started."""
        os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._log.close()
        self._runtime.cleanup()


class Window:
    """One window: a page of the browser."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        page.goto(address)
        page.wait_for_selector(".monaco-workbench", timeout=_START_TIMEOUT_S * 1000)

    def open(self, file: Path) -> None:
        """Open a file by its path, and put the cursor into it."""
        # Its name alone is looked for among the files of a moment ago.
        self._pick("Control+p", str(file), f"[aria-label^='{file.name}']")
        self.page.wait_for_selector(f".tab.active[data-resource-name='{file.name}']")
        self.wait_for_editor()

    def wait_for_editor(self) -> None:
        """Wait until a file is open, and put the cursor into it."""
        self.page.wait_for_selector(".monaco-editor .view-line", timeout=_START_TIMEOUT_S * 1000)
        self.page.click(".monaco-editor .view-lines")

    def status(self) -> str:
        """What the status bar says of fimls, "" if nothing."""
        item = self.page.query_selector("[id='fimls.fimls.fimls.status']")
        if item is None:
            item = self.page.query_selector(".statusbar-item[id*='fimls']")
        return "" if item is None else (item.get_attribute("aria-label") or item.inner_text())

    def notifications(self) -> str:
        """The texts of the notifications on the screen."""
        texts = self.page.eval_on_selector_all(
            ".notification-list-item-message", "all => all.map(one => one.textContent)"
        )
        return "\n".join(texts)

    def ghost(self) -> str:
        """The ghost text on the screen, "" for none; lines in order."""
        texts = self.page.eval_on_selector_all(_GHOST, "all => all.map(one => one.textContent)")
        return re.sub("\u00a0", " ", "\n".join(text for text in texts if text))

    def watch_ghosts(self) -> None:
        """From now on note when a ghost text appears where none was."""
        self.page.evaluate(_WATCH, _GHOST)

    def ghosts_seen(self) -> list[float]:
        """When ghost texts appeared since then: seconds since the epoch, oldest first."""
        times: list[float] = self.page.evaluate("window.ghostsSeen")
        return [one / 1000 for one in times]

    def press(self, keys: str) -> None:
        """Press keys, in Playwright's notation."""
        self.page.keyboard.press(keys)

    def type(self, text: str, delay_ms: float = 0) -> None:
        """Type a text, character by character."""
        self.page.keyboard.type(text, delay=delay_ms)

    def command(self, title: str) -> None:
        """Run a command of the palette."""
        self._pick("F1", title)

    def _pick(self, keys: str, text: str, row: str = "") -> None:
        """Open a list, and choose its first line for a text; ``row`` has to be among them."""
        self.press(keys)
        self.page.wait_for_selector(".quick-input-widget input")
        self.type(text)
        rows = f".quick-input-list .monaco-list-row{row}"
        self.page.wait_for_selector(rows, timeout=_PICK_S * 1000)
        self.press("Enter")

    def activation_ms(self, extension: str) -> float:
        """How long an extension took to activate, as VS Code's own list of them says."""
        # Only rows on the screen exist, and the fastest extensions come last.
        self.page.set_viewport_size({"width": 1000, "height": 4000})
        self.command("Developer: Show Running Extensions")
        row = f".runtime-extensions-editor .monaco-list-row:has-text('{extension}')"
        self.page.wait_for_selector(row, timeout=_START_TIMEOUT_S * 1000)
        text = self.page.inner_text(f"{row} .activation-time")
        found = re.search(r"(\d+)\s*ms", text)
        if found is None:
            raise AssertionError(f"no activation time in {text!r}")
        return float(found[1])

    def until(self, condition: Callable[[], bool], timeout_s: float, what: str) -> float:
        """Wait for a condition; return the seconds it took. Raises TimeoutError."""
        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > timeout_s:
                raise TimeoutError(f"waited {timeout_s} s for {what}; status: {self.status()!r}")
            self.page.wait_for_timeout(10)
        return time.monotonic() - began


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait_for(address: str) -> None:
    until = time.monotonic() + _START_TIMEOUT_S
    while True:
        try:
            with urllib.request.urlopen(address, timeout=2):  # noqa: S310 - our own, on loopback
                return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > until:
                raise TimeoutError(f"{address} does not answer") from None
            time.sleep(0.2)
