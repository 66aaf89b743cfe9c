from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("peft")

ROOT = Path(__file__).parents[3]
FETCHING = "from pathlib import Path\nPath(__file__).with_name('asked').touch()\n"


def test_compiled_kernels_are_never_fetched(tmp_path: Path) -> None:
    """What peft imports would load code from the hub through `kernels`; it can't, and doesn't
    complain of it.
    """
    (tmp_path / "kernels.py").write_text(FETCHING, encoding="utf-8")
    code = "import training.tuning.adapter, importlib.util as u; print(u.find_spec('kernels'))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "None" == done.stdout.strip()
    assert not (tmp_path / "asked").exists()
    assert "kernels" not in done.stderr
