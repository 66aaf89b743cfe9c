"""Fetch the held-out packages: code that no model and no training run here has seen.

    fimls bench keystrokes $(python benchmarks/heldout.py) --functions 60 -o DIR
    python benchmarks/heldout.py zapros sheetwise     # only these

``data/heldout.json`` pins each package's archive by its SHA-256. pip fetches it (nothing is
installed, and without dependencies); the second call finds it in the user's cache folder. Prints
the folder of each, one a line.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

LIST = Path(__file__).parent / "data" / "heldout.json"
CACHE = user_cache_path("fimls") / "heldout"


def packages(names: list[str]) -> list[dict[str, Any]]:
    """Return the entries of the list that were asked for, or all.

    Raises:
        SystemExit: a name isn't in the list.
    """
    entries: list[dict[str, Any]] = json.loads(LIST.read_text(encoding="utf-8"))
    unknown = set(names) - {entry["name"] for entry in entries}
    if unknown:
        raise SystemExit(f"not in {LIST.name}: {', '.join(sorted(unknown))}")
    return [entry for entry in entries if not names or entry["name"] in names]


def fetch(entry: dict[str, Any]) -> Path:
    """Return the folder with a package's files, fetched and unpacked if it isn't there yet.

    Raises:
        CalledProcessError: pip can't fetch it, or its bytes aren't the pinned ones.
    """
    folder: Path = CACHE / f"{entry['name']}-{entry['version']}"
    if folder.is_dir():
        return folder
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as temporary:
        requirements = Path(temporary) / "requirements.txt"
        pinned = f"{entry['name']}=={entry['version']} --hash=sha256:{entry['sha256']}\n"
        requirements.write_text(pinned, encoding="utf-8")
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
                *("--disable-pip-version-check", "--require-hashes", "--dest", temporary),
                *("--requirement", str(requirements)),
            ],
            check=True,
            stdout=sys.stderr,
        )
        archive = Path(temporary) / entry["file"]
        unpacked = Path(temporary) / "unpacked"
        if archive.suffix == ".whl":
            shutil.unpack_archive(archive, unpacked, "zip")
        else:
            shutil.unpack_archive(archive, unpacked, filter="data")
        unpacked.rename(folder)  # whole or not at all
    return folder


def main() -> None:
    """Fetch, and print the folders."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all of the list")
    for entry in packages(parser.parse_args().names):
        print(fetch(entry))


if __name__ == "__main__":
    main()
