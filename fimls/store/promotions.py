"""Which adapter serves each base: one small file, switched by a rename.

A reader sees the state before a change or after it, and a running server only has to look at the
file's time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fimls.store.hashes import write_atomically
from fimls.types import StoreError

_FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Promotion:
    """What serves a base. name: of the adapter, "" for the base alone. before: what served until
    the latest change.
    """

    base: str
    base_sha256: str
    name: str
    before: str


@dataclass(frozen=True, slots=True)
class History:
    """The adapters promoted for a base, the last one serving."""

    base: str
    promoted: tuple[str, ...] = ()

    @property
    def current(self) -> str:
        """The adapter that was promoted last, "" for none."""
        return self.promoted[-1] if self.promoted else ""


class Promotions:
    """The file. Whoever changes it holds the registry's lock."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def stamp(self) -> tuple[int, int] | None:
        """Another value after each change, None before the first; costs one ``stat``."""
        try:
            stat = self.path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_ino

    def read(self) -> dict[str, History]:
        """The history of each base, by its SHA-256.

        Raises:
            StoreError: the file is damaged, or of another version.
        """
        try:
            value: dict[str, Any] = json.loads(self.path.read_text("utf-8"))
            if value["format_version"] != _FORMAT_VERSION:
                raise ValueError(f"format version {value['format_version']}")
            return {
                base_sha256: History(row["base"], tuple(row["promoted"]))
                for base_sha256, row in value["bases"].items()
            }
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(
                f"can't read which adapters are promoted: {self.path}: {error}",
                hint="remove that file, and promote again",
            ) from error

    def write(self, histories: Mapping[str, History]) -> None:
        """Switch to these histories, atomically."""
        bases = {
            base_sha256: {"base": history.base, "promoted": history.promoted}
            for base_sha256, history in histories.items()
        }
        value = {"format_version": _FORMAT_VERSION, "bases": bases}
        write_atomically(self.path, (json.dumps(value, indent=1) + "\n").encode())
