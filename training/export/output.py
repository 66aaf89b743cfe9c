"""An output folder that exists only once it is whole."""

from __future__ import annotations

import contextlib
import errno
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from training.types import ExportError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextlib.contextmanager
def scratch_folder(out: Path, needed_bytes: int) -> Iterator[Path]:
    """A folder beside ``out``, on the same disk, that is removed whatever happens.

    Raises:
        ExportError: there is too little space, now or later, or the folder can't be written.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        free_bytes = shutil.disk_usage(out.parent).free
        if free_bytes < needed_bytes:
            raise OSError(errno.ENOSPC, "too little space")
        with tempfile.TemporaryDirectory(
            dir=out.parent, prefix=f".{out.name}-", ignore_cleanup_errors=True
        ) as name:
            yield Path(name)
    except OSError as error:
        if error.errno in _FULL:
            raise ExportError(
                f"the disk of {out.parent} is full: about {needed_bytes / 1e9:.1f} GB are needed "
                "while exporting",
                hint="free some space, or export to another disk",
            ) from error
        raise ExportError(
            f"can't write {out}: {error.strerror or error}", hint="check the folder's permissions"
        ) from error


@contextlib.contextmanager
def output_folder(out: Path, needed_bytes: int) -> Iterator[tuple[Path, Path]]:
    """Two folders: one that becomes ``out`` when the block ends well, one for work on the way.

    Raises:
        ExportError: ``out`` is there already; or as :func:`scratch_folder`.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ExportError(f"{out} is there already", hint="choose another folder, or remove it")
    with scratch_folder(out, needed_bytes) as scratch:
        new, work = scratch / "new", scratch / "work"
        new.mkdir()
        work.mkdir()
        yield new, work
        new.replace(out)
