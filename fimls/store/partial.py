"""A download that can be interrupted at any instruction and continued later."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from fimls.store.hashes import CHUNK_BYTES, write_atomically
from fimls.store.progress import Progress
from fimls.types import DownloadError


@dataclass(frozen=True, slots=True)
class Joined:
    """How much of the file is safe: whole pieces, and the bytes they make."""

    pieces: int = 0
    bytes: int = 0


class Partial:
    """The folder of one unfinished download.

    ``data`` grows by whole verified pieces; ``state.json`` says how many there are. A process
    killed while it appends leaves bytes past the recorded end, which the next one cuts off.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self._state = folder / "state.json"

    def joined(self) -> Joined:
        """What earlier attempts left, or nothing where that can't be told."""
        try:
            saved = json.loads(self._state.read_text("utf-8"))
            joined = Joined(int(saved["pieces"]), int(saved["bytes"]))
            whole = self.data.stat().st_size >= joined.bytes
        except (OSError, ValueError, TypeError, KeyError):
            return Joined()
        return joined if whole else Joined()

    def append(self, piece: IO[bytes], *, limit_bytes: int, stage: str, progress: Progress) -> None:
        """Add the next piece after those already joined.

        Raises:
            DownloadError: the file would outgrow ``limit_bytes``. OSError: it can't be written.
        """
        before = self.joined()
        self.data.touch()
        with self.data.open("r+b") as stream:
            stream.truncate(before.bytes)
            stream.seek(before.bytes)
            done_bytes = before.bytes
            while chunk := piece.read(CHUNK_BYTES):
                done_bytes += len(chunk)
                if done_bytes > limit_bytes:
                    raise DownloadError(f"more than the expected {limit_bytes:,} bytes")
                stream.write(chunk)
                progress(stage, done_bytes, limit_bytes)
        self._save(Joined(before.pieces + 1, done_bytes))

    def restart(self) -> None:
        """Forget the pieces: a source that has the whole file begins from nothing."""
        self._state.unlink(missing_ok=True)
        self.data.unlink(missing_ok=True)

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for temporary files, removed at the end, as are those of killed processes."""
        for stale in self.folder.glob("scratch-*"):
            shutil.rmtree(stale, ignore_errors=True)
        with tempfile.TemporaryDirectory(
            dir=self.folder, prefix="scratch-", ignore_cleanup_errors=True
        ) as name:
            yield Path(name)

    def discard(self) -> None:
        """Remove all of it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _save(self, joined: Joined) -> None:
        write_atomically(self._state, json.dumps(asdict(joined)).encode())
