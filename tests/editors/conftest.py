"""Where the editors are, a scripted server, and files to type into."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.editors.installed import FIMLS, REQUIRED

# Without the extra `editors` there is nothing to drive an editor with; `make test-editors` has it.
_DRIVERS = {
    "test_neovim.py": "pynvim",
    "test_neovim_faults.py": "pynvim",
    "test_vscode.py": "playwright",
}
collect_ignore = [
    name for name, driver in _DRIVERS.items() if not REQUIRED and find_spec(driver) is None
]

SCRIPT = [
    {"after": "return ", "insert": ["self.width * self.height", "42"]},
    {"after": "for ", "insert": "item in items:\n        total += item"},
    {"after": "größe = ", "insert": "breite * höhe"},
    {"after": "second = ", "insert": "compute_second()"},
]


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripted engine's answers."""
    path = tmp_path_factory.mktemp("script") / "script.json"
    path.write_text(json.dumps(SCRIPT))
    return path


@pytest.fixture
def server(script: Path) -> list[str]:
    """The server's command."""
    return [
        str(FIMLS),
        "serve",
        "--stdio",
        "--engine",
        "scripted",
        "--set",
        f"scripted_file={script}",
    ]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a git mark, as root of a project; a window may be open in it for many tests."""
    folder = tmp_path_factory.mktemp("project") / "repository"
    (folder / ".git").mkdir(parents=True)
    return folder


@pytest.fixture(scope="module")
def write(repository: Path) -> Callable[[str, str], Path]:
    """Writes a file of the repository, byte for byte."""

    def made(name: str, text: str) -> Path:
        path = repository / name
        path.write_bytes(text.encode())
        return path

    return made
