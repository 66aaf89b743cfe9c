"""Unpacking strangers' archives: regular files inside the folder, within limits, and no more.

Links, devices and names that lead out of the folder are left out. Sizes are counted while bytes are
written, since an archive's own numbers may lie.
"""

from __future__ import annotations

import lzma
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from training.types import CorpusError

ARCHIVE_SUFFIXES = (".zip", ".whl", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")
MAX_FILE_BYTES = 5_000_000
MAX_TOTAL_BYTES = 4_000_000_000
MAX_FILES = 300_000
_CHUNK_BYTES = 1 << 20


def unpack(
    archive: Path,
    folder: Path,
    *,
    max_total_bytes: int = MAX_TOTAL_BYTES,
    max_files: int = MAX_FILES,
) -> None:
    """Unpack an archive into a folder that isn't there yet; it appears only when it is complete.

    A file is cut off at 5 MB: larger ones are never learnt from, and the report can say so.

    Raises:
        CorpusError: it is no archive, is damaged, or unpacks to more than the limits.
        OSError: the disk is full.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".unpacking-"))
    try:
        left = max_total_bytes
        for count, (name, stream) in enumerate(_members(archive)):
            if count >= max_files:
                raise CorpusError(f"{archive} holds more than {max_files:,} files")
            target = _target(scratch, name)
            if target is not None:
                left -= _write(stream, target)
            if left < 0:
                raise CorpusError(
                    f"{archive} unpacks to more than {max_total_bytes:,} bytes",
                    hint="unpack it yourself and give the folder",
                )
        scratch.replace(folder)
    except (zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError, zlib.error, EOFError) as error:
        raise CorpusError(f"{archive} is no archive that can be read: {error}") from error
    except (NotImplementedError, RuntimeError) as error:  # zipfile's words for encrypted members
        raise CorpusError(f"{archive} can't be unpacked: {error}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def only_folder(folder: Path) -> Path:
    """Return the one folder that source archives put everything in, or the folder itself."""
    inside = list(folder.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    if archive.suffix.lower() in {".zip", ".whl"}:
        with zipfile.ZipFile(archive) as zipped:
            for info in zipped.infolist():
                # The upper half of a Unix zip's attributes is the mode: links are no files.
                if not info.is_dir() and (info.external_attr >> 28) in {0, 0o10}:
                    with zipped.open(info) as stream:
                        yield info.filename, stream
    else:
        with _tar(archive) as tar:
            for member in tar:
                stream_or_none = tar.extractfile(member) if member.isreg() else None
                if stream_or_none is not None:
                    with stream_or_none as stream:
                        yield member.name, stream


@contextmanager
def _tar(archive: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(archive, "r|*") as tar:  # as a stream: its index may not fit into memory
            yield tar
    except OSError as error:
        if error.errno is None:  # so gzip says that the data are none
            raise CorpusError(f"{archive} is damaged: {error}") from error
        raise


def _target(folder: Path, name: str) -> Path | None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or PureWindowsPath(name).drive or ".." in path.parts or not path.parts:
        return None
    if "\0" in name or any(len(part.encode("utf-8", "replace")) > 255 for part in path.parts):
        return None
    return folder.joinpath(*path.parts)


def _write(stream: IO[bytes], target: Path) -> int:
    """Write at most MAX_FILE_BYTES; return how many. The first file of a name is kept."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        out = target.open("xb")
    except (FileExistsError, NotADirectoryError):
        return 0
    written = 0
    with out:
        while chunk := stream.read(min(_CHUNK_BYTES, MAX_FILE_BYTES - written)):
            written += out.write(chunk)
    return written
