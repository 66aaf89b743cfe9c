"""Writes the server's settings into the VS Code extension's package.json.

python scripts/editor_settings.py            # write
python scripts/editor_settings.py --check    # fail where the file is out of date
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from fimls.config import Settings, setting_schema

MANIFEST = Path(__file__).parents[1] / "editor-plugins" / "vscode" / "package.json"
OWN = (
    "fimls.enabled",
    "fimls.server.path",
    "fimls.server.arguments",
    "fimls.server.shared",
)
_FIRST_ORDER = 10


def properties() -> dict[str, dict[str, Any]]:
    """A JSON schema for each setting, as VS Code's ``contributes.configuration`` wants it."""
    found: dict[str, dict[str, Any]] = {}
    for order, field in enumerate(dataclasses.fields(Settings), _FIRST_ORDER):
        schema = setting_schema(field.name)
        workspace = schema.pop("workspace")
        found[f"fimls.{field.name}"] = {
            "order": order,
            **schema,
            # A folder's settings.json is somebody else's: it may not say what runs.
            "scope": "resource" if workspace else "application",
        }
    return found


def main() -> int:
    """Write or check; return the exit code."""
    before = MANIFEST.read_text("utf-8")
    manifest = json.loads(before)
    section = manifest["contributes"]["configuration"][0]["properties"]
    own = {name: section[name] for name in OWN}
    manifest["contributes"]["configuration"][0]["properties"] = {**own, **properties()}
    after = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    if "--check" in sys.argv[1:]:
        if json.loads(before) != json.loads(after):
            print(f"{MANIFEST.name} is out of date: python scripts/editor_settings.py")
            return 1
        return 0
    MANIFEST.write_text(after, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
