"""Files: replaced whole or not at all, and their SHA-256, remembered."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from fimls.progress import Progress, silent

CHUNK_BYTES = 1 << 22


def file_sha256(path: Path, *, progress: Progress = silent, stage: str = "verifying") -> str:
    """Hash a file's bytes, reporting progress under ``stage``; lower-case hexadecimal."""
    digest = hashlib.sha256()
    total_bytes = path.stat().st_size
    done_bytes = 0
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
            done_bytes += len(chunk)
            progress(stage, done_bytes, total_bytes)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class _Record:
    path: str
    size_bytes: int
    mtime_ns: int
    sha256: str


class HashRecords:
    """A folder of small JSON files: the hash of each file as it was when last read.

    A record counts only while size and modification time are what they were, so a file that was
    replaced, truncated or written to is read again. (A flipped bit that leaves both as they were
    is found by ``Store.verify`` alone, which always reads.)
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def sha256(self, path: Path, *, progress: Progress = silent) -> str:
        """The file's hash, from its record where that still counts, else by reading the file."""
        resolved = path.resolve()
        stat = resolved.stat()
        record = self._read(resolved)
        if record is not None and (record.size_bytes, record.mtime_ns) == (
            stat.st_size,
            stat.st_mtime_ns,
        ):
            return record.sha256
        sha256 = file_sha256(resolved, progress=progress)
        # The stat from before reading: a file that changes meanwhile is read again next time.
        self._write(_Record(str(resolved), stat.st_size, stat.st_mtime_ns, sha256))
        return sha256

    def remember(self, path: Path, sha256: str) -> None:
        """Note the hash of a file that was just read under another name."""
        resolved = path.resolve()
        stat = resolved.stat()
        self._write(_Record(str(resolved), stat.st_size, stat.st_mtime_ns, sha256))

    def forget(self, path: Path) -> None:
        """Drop the file's record: the next question reads the file."""
        self._record_path(path.resolve()).unlink(missing_ok=True)

    def _record_path(self, resolved: Path) -> Path:
        return self._folder / (hashlib.sha256(os.fsencode(resolved)).hexdigest()[:32] + ".json")

    def _read(self, resolved: Path) -> _Record | None:
        try:
            record = _Record(**json.loads(self._record_path(resolved).read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None  # never read, or a damaged record: both mean "hash it"
        return record if record.path == str(resolved) else None

    def _write(self, record: _Record) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self._record_path(Path(record.path)), json.dumps(asdict(record)).encode())


@contextlib.contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """A name beside ``path`` to write to; what is there at the end takes the place of ``path``.

    A reader sees the old bytes or the new ones, never half. If the block fails, nothing is left.

    durable: the bytes are on the disk before they take the place.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        yield temporary
        if durable:
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, content: bytes) -> None:
    """Write a small file as :func:`replacing` says."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)
