"""Snapshots: what commands print, compared with what is stored in ``data/``.

``FIMLS_UPDATE_SNAPSHOTS=1`` writes what was found instead; the difference is then read in git.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DATA = Path(__file__).parent / "data"

# Settings without a deadline, so that a busy machine says the same.
PATIENT = ("--set", "answer_ms=0", "--set", "deadline_ms=0")

_COLOURS = {"FORCE_COLOR", "GITHUB_ACTIONS", "PY_COLORS"}  # each would force them
_UPDATE = os.environ.get("FIMLS_UPDATE_SNAPSHOTS") == "1"


def compare(name: str, found: str) -> None:
    """Fail, with a unified diff, where ``found`` isn't what ``data/name`` holds."""
    path = DATA / name
    if _UPDATE:
        path.write_text(found, encoding="utf-8")
        return
    stored = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = difflib.unified_diff(
        stored.splitlines(), found.splitlines(), f"stored {name}", f"found {name}", lineterm=""
    )
    if stored != found:
        difference = "\n".join(lines) or "only the ends of lines differ"
        message = f"FIMLS_UPDATE_SNAPSHOTS=1 writes it anew\n{difference}"
        raise AssertionError(message)


def as_text(value: Any) -> str:
    """Plain JSON as text that has a readable diff. Keys keep their order, pairs stand in a line."""
    text = json.dumps(value, indent=1, ensure_ascii=False)
    return re.sub(r"\[\s+([\d.]+),\s+([\d.]+)\s+\]", r"[\1, \2]", text) + "\n"


def without(value: Any, names: Collection[str]) -> Any:
    """Return plain JSON without the fields of these names, at any depth."""
    if isinstance(value, dict):
        return {key: without(one, names) for key, one in value.items() if key not in names}
    if isinstance(value, list):
        return [without(one, names) for one in value]
    return value


def environment(folder: Path) -> dict[str, str]:
    """An environment of its own below ``folder``: no model, no state, no cache, no terminal."""
    own = {
        "FIMLS_HOME": str(folder / "home"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "XDG_STATE_HOME": str(folder / "state"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "TERM": "dumb",
    }
    inherited = {name: value for name, value in os.environ.items() if name not in _COLOURS}
    return {**inherited, **own}


def run(folder: Path, *arguments: str, variables: Mapping[str, str] | None = None) -> str:
    """Run Python in a process and return its standard output; it must end with 0."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**environment(folder), **(variables or {})},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout
