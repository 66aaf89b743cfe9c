"""Which editors are installed, and where."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import NoReturn

import pytest

_HOME = Path(os.environ.get("FIMLS_EDITORS", "~/.cache/fimls-editors")).expanduser()
REQUIRED = os.environ.get("FIMLS_REQUIRE_EDITORS") == "1"
FIMLS = Path(sys.executable).with_name("fimls")


def editor(name: str) -> Path:
    """An installed editor's folder; skips the test where there is none, or fails if it must be."""
    folder = _HOME / name
    if not folder.exists():
        _missing(f"{name} is not installed in {_HOME}")
    return folder


def program(name: str) -> str:
    """A program on the PATH; likewise."""
    return shutil.which(name) or _missing(f"{name} is not installed")


def _missing(what: str) -> NoReturn:
    message = f"{what}: make test-editors"
    if REQUIRED:
        pytest.fail(message)
    pytest.skip(message)
