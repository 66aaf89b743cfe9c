from __future__ import annotations

import json
import subprocess
import sys

from fimls import __version__
from fimls.server.handshake import Client, capabilities
from tests.fim_tokenizers import REPOSITORY


def test_extension_settings_are_the_servers() -> None:
    """package.json offers each of the server's settings with its default, and no other."""
    script = REPOSITORY / "scripts" / "editor_settings.py"
    subprocess.run([sys.executable, str(script), "--check"], check=True)


def test_extension_commands_are_not_the_servers() -> None:
    """The language client registers the server's commands; one that exists ends its start."""
    path = REPOSITORY / "editor-plugins" / "vscode" / "package.json"
    manifest = json.loads(path.read_text("utf-8"))
    own = {one["command"] for one in manifest["contributes"]["commands"]}
    assert own
    assert not own & set(capabilities(Client())["executeCommandProvider"]["commands"])


def test_plugins_are_made_for_this_version() -> None:
    """The extension's version, and what the Neovim plugin compares the server's with."""
    plugins = REPOSITORY / "editor-plugins"
    minor = __version__.rpartition(".")[0]
    assert json.loads((plugins / "vscode/package.json").read_text())["version"] == __version__
    client = (plugins / "neovim/lua/fimls/client.lua").read_text("utf-8")
    assert f"local MADE_FOR = '{minor}'" in client
