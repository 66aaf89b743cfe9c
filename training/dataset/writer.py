"""Writes a dataset shard by shard, so that a killed run goes on where it was."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from fimls.files import replacing
from training.dataset.format import (
    FORMAT_VERSION,
    INFO_NAME,
    REPEATED,
    SHARDS_NAME,
    STARTED_NAME,
    DatasetInfo,
    RepositoryInfo,
    ShardInfo,
    StoredFile,
    content_sha256,
    count,
    examples_table,
    files_table,
    read_shard_info,
    shard_paths,
)
from training.types import DatasetError, FimExample

_ZSTD_LEVEL = 3


class DatasetWriter:
    """A dataset that is being written. Processes may share a folder, each with its own shards.

    settings: what decides the contents, as JSON values; a folder that was begun with others is
        refused.

    Raises (all methods):
        DatasetError: the folder can't be written, the disk is full, it holds a finished dataset or
            one begun with other settings.
    """

    def __init__(
        self, folder: Path, settings: Mapping[str, object], *, resume: bool = False
    ) -> None:
        self.folder = folder
        self._settings = json.loads(json.dumps(settings))
        self._begin(resume=resume)

    def _begin(self, *, resume: bool) -> None:
        if (self.folder / INFO_NAME).exists():
            raise DatasetError(
                f"{self.folder}: there is a finished dataset",
                hint="name another folder, or delete this one",
            )
        try:
            started = json.loads((self.folder / STARTED_NAME).read_text("utf-8"))
        except FileNotFoundError:
            started = None
        except (OSError, ValueError) as error:
            raise DatasetError(
                f"{self.folder / STARTED_NAME}: can't be read: {error}", hint="delete the folder"
            ) from error
        wanted = {"format_version": FORMAT_VERSION, "settings": self._settings}
        if started is not None and not resume:
            raise DatasetError(
                f"{self.folder}: an unfinished dataset",
                hint="go on with --resume, or delete the folder",
            )
        if started is not None and started != wanted:
            raise DatasetError(
                f"{self.folder}: begun with other settings: {_differences(started, wanted)}",
                hint="resume with the same arguments, or delete the folder",
            )
        with explained(self.folder):
            (self.folder / SHARDS_NAME).mkdir(parents=True, exist_ok=True)
            write_json(self.folder / STARTED_NAME, wanted)

    def discard(self) -> None:
        """Remove what this made, where nothing came of it, and the folder if it is empty."""
        with explained(self.folder):
            shutil.rmtree(self.folder / SHARDS_NAME)
            (self.folder / STARTED_NAME).unlink()
            if not any(self.folder.iterdir()):
                self.folder.rmdir()

    def done(self, index: int) -> ShardInfo | None:
        """Return a shard that is written already; None where it isn't there, or isn't whole."""
        files, examples, note = shard_paths(self.folder, index)
        shard = read_shard_info(note)
        try:
            sizes = (files.stat().st_size, examples.stat().st_size)
        except OSError:
            return None  # it will be written again
        whole = shard is not None and sizes == (shard.files_bytes, shard.examples_bytes)
        return shard if whole else None

    def write_shard(
        self, index: int, files: Sequence[StoredFile], examples: Sequence[FimExample]
    ) -> ShardInfo:
        """Write a shard, in place of one with that number. ``files`` has every example's file."""
        rows_of = {file: row for row, (file, _) in enumerate(files)}
        paths = shard_paths(self.folder, index)
        with explained(self.folder):
            paths[2].unlink(missing_ok=True)
            _write_table(paths[0], files_table(files))
            _write_table(paths[1], examples_table(examples, rows_of))
            shard = ShardInfo(
                index=index,
                sha256=content_sha256(files, examples),
                files_bytes=paths[0].stat().st_size,
                examples_bytes=paths[1].stat().st_size,
                counts=count(files, examples),
            )
            write_json(paths[2], asdict(shard))
        return shard

    def describe(
        self,
        shards: Sequence[ShardInfo],
        repositories: Sequence[RepositoryInfo],
        *,
        seed: int,
        code_version: str,
    ) -> DatasetInfo:
        """What the dataset of these shards, in this order, is."""
        digest = hashlib.sha256("".join(shard.sha256 for shard in shards).encode())
        return DatasetInfo(
            settings=self._settings,
            seed=seed,
            code_version=code_version,
            corpus_sha256=digest.hexdigest(),
            repositories=tuple(repositories),
            shards=tuple(shards),
        )

    def finish(self, info: DatasetInfo) -> None:
        """Make the folder a dataset."""
        with explained(self.folder):
            write_json(self.folder / INFO_NAME, info.to_json())


@contextlib.contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn a file system's errors into a DatasetError that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DatasetError(
                f"{folder}: the disk is full; what is written can be resumed",
                hint="make room, then run the same command with --resume",
            ) from error
        raise DatasetError(
            f"{folder}: can't be written: {error.strerror or error}", hint="check the folder"
        ) from error


def write_json(path: Path, value: object) -> None:
    """Write a JSON file whole or not at all."""
    text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    with replacing(path, durable=True) as part:
        part.write_text(text, "utf-8")


def _write_table(path: Path, table: pa.Table) -> None:
    dictionary = [name for name in REPEATED if name in table.column_names]
    with replacing(path, durable=True) as part:
        pq.write_table(
            table,
            part,
            compression="zstd",
            compression_level=_ZSTD_LEVEL,
            use_dictionary=dictionary,
            write_page_checksum=True,
        )


def _differences(started: object, wanted: Mapping[str, object]) -> str:
    """Which settings differ, by name."""
    if not isinstance(started, dict) or started.get("format_version") != FORMAT_VERSION:
        return "another format version"
    ours, theirs = wanted["settings"], started.get("settings")
    if not isinstance(theirs, dict) or not isinstance(ours, dict):
        return "all of them"
    names = sorted(ours.keys() | theirs.keys())
    return ", ".join(
        f"{name} {theirs.get(name)!r}, now {ours.get(name)!r}"
        for name in names
        if ours.get(name) != theirs.get(name)
    )
