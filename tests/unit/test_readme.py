from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]


def test_generated_tables_are_up_to_date() -> None:
    """The README's settings and figures are those of the code and of benchmarks/results."""
    command = [sys.executable, "scripts/readme.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stderr)


def test_names_the_two_commands() -> None:
    """A newcomer finds `make try` and `make test` as lines to copy; CI runs the latter."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert {"make try", "make test"} <= set(lines)


def test_editors_start_the_server() -> None:
    """The configuration of each editor can be read, and starts `fimls serve --stdio`."""
    (helix,), (sublime,), (kakoune,), (emacs,) = map(_snippets, ("toml", "json", "kak", "elisp"))
    servers = re.search(r"lsp_servers %\{\n(.*?)\n    \}", kakoune, re.DOTALL)
    assert servers
    commands = {
        "Helix": _command(tomllib.loads(helix)["language-server"]["fimls"]),
        "Sublime Text": json.loads(sublime)["clients"]["fimls"]["command"],
        "Kakoune": _command(tomllib.loads(servers[1])["fimls"]),
        "Emacs": re.findall(r'"([^"]*)"', emacs),
    }
    assert {name: ["fimls", "serve", "--stdio"] for name in commands} == commands


def _snippets(language: str) -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def _command(server: dict[str, Any]) -> list[str]:
    return [server["command"], *server["args"]]
