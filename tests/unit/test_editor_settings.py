from __future__ import annotations

import subprocess
import sys

from tests.fim_tokenizers import REPOSITORY


def test_extension_settings_are_the_servers() -> None:
    """package.json offers each of the server's settings with its default, and no other."""
    script = REPOSITORY / "scripts" / "editor_settings.py"
    subprocess.run([sys.executable, str(script), "--check"], check=True)
