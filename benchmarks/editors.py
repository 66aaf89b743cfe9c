"""How soon the editors show what the server answers, and what the plugins cost.

    make test-editors                    # installs the editors
    python benchmarks/editors.py         # results/editors.json

Runs those of the editor tests that measure. Wants a machine with nothing else to do.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from record import write_result

ROOT = Path(__file__).resolve().parent.parent
MEASURING = "as_soon or start_up or soon_after"


def main() -> None:
    """Measure and record."""
    with tempfile.TemporaryDirectory() as name:
        numbers = Path(name) / "numbers.jsonl"
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "tests/editors", "-k", MEASURING],
            cwd=ROOT,
            env={**os.environ, "FIMLS_EDITOR_NUMBERS": str(numbers)},
            check=True,
        )
        lines = numbers.read_text("utf-8").splitlines()
    write_result("editors", {"measured": [json.loads(line) for line in lines]}, seed=0)


if __name__ == "__main__":
    main()
