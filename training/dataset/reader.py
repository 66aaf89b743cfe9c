"""Reads a dataset: examples as a stream, in order or shuffled, with flat memory."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from training.dataset.format import (
    DatasetInfo,
    ShardInfo,
    StoredFile,
    examples_of,
    files_of,
    read_info,
    shard_paths,
)
from training.types import CorpusFile, DatasetError, FimExample, Split

_SHUFFLED_SHARDS = 8
"""Shards that are shuffled together in memory, so that an epoch mixes files."""


class Dataset:
    """A finished dataset."""

    def __init__(self, folder: Path, info: DatasetInfo) -> None:
        self.folder = folder
        self.info = info

    @classmethod
    def open(cls, folder: Path) -> Dataset:
        """Open a dataset's folder.

        Raises:
            DatasetError: there is none, it has another format version, or a file has another size.
                Damage inside a file is found when it is read.
        """
        info = read_info(folder)
        for shard in info.shards:
            sizes = (shard.files_bytes, shard.examples_bytes)
            for path, size in zip(shard_paths(folder, shard.index), sizes, strict=False):
                if not path.is_file() or path.stat().st_size != size:
                    what = "has another size" if path.is_file() else "is missing"
                    raise _damaged(path, what)
        return cls(folder, info)

    @property
    def sha256(self) -> str:
        """Of all files, middles and snippets; says which corpus an adapter was trained on."""
        return self.info.corpus_sha256

    def count(self, split: Split) -> int:
        """How many examples a split has."""
        return sum(shard.count(split) for shard in self.info.shards)

    def files(self, split: Split) -> Iterator[CorpusFile]:
        """The files of a split, in the dataset's order.

        Raises (when iterated):
            DatasetError: a shard is damaged.
        """
        for shard in self.info.shards:
            for file, own in self._files(shard):
                if own is split:
                    yield file

    def examples(
        self, split: Split, *, shuffle_seed: int | None = None, start: int = 0
    ) -> Iterator[FimExample]:
        """The examples of a split.

        shuffle_seed: each seed has its own order, None is the dataset's. The shards are shuffled,
            and then all examples of eight shards at a time.
        start: how many to skip in that order; shards that hold none but these aren't read.

        Raises (when iterated):
            DatasetError: a shard is damaged.
        """
        shards = list(self.info.shards)
        size = 1
        if shuffle_seed is not None:
            _chance("shards", shuffle_seed).shuffle(shards)
            size = _SHUFFLED_SHARDS
        for first in range(0, len(shards), size):
            group = shards[first : first + size]
            held = sum(shard.count(split) for shard in group)
            if start >= held:
                start -= held
                continue
            order = list(range(held))
            if shuffle_seed is not None:
                _chance("examples", shuffle_seed, first).shuffle(order)
            yield from self._group(group, split, order[start:])
            start = 0

    def _group(
        self, shards: Sequence[ShardInfo], split: Split, order: Sequence[int]
    ) -> Iterator[FimExample]:
        """Some of a group's examples; ``order`` numbers them across its shards."""
        loaded = [self._load(shard, split) for shard in shards if shard.count(split)]
        places = list(
            chain.from_iterable(
                ((shard, row) for row in rows) for shard, (_, _, rows) in enumerate(loaded)
            )
        )
        for place in order:
            shard, row = places[place]
            files, table, _ = loaded[shard]
            try:
                yield from examples_of(table, files, [row])
            except (IndexError, ValueError, TypeError) as error:
                raise _damaged(self.folder, f"has an impossible example: {error}") from error

    def _load(self, shard: ShardInfo, split: Split) -> tuple[list[StoredFile], pa.Table, list[int]]:
        """A shard's files, its table of examples, and the rows that are of a split."""
        path = shard_paths(self.folder, shard.index)[1]
        table = _read(path)
        rows = [row for row, one in enumerate(table["split"].to_pylist()) if one == split.value]
        if len(rows) != shard.count(split):
            raise _damaged(path, f"has {len(rows)} examples, not {shard.count(split)}")
        return self._files(shard), table, rows

    def _files(self, shard: ShardInfo) -> list[StoredFile]:
        path = shard_paths(self.folder, shard.index)[0]
        try:
            return files_of(_read(path))
        except (ValueError, TypeError) as error:
            raise _damaged(path, f"has an impossible file: {error}") from error


def _chance(*seed: object) -> random.Random:
    """A text seeds the same sequence on every machine and in every process."""
    return random.Random(" ".join(map(str, seed)))  # noqa: S311  nothing to guess here


def _read(path: Path) -> pa.Table:
    try:
        return pq.read_table(path, page_checksum_verification=True, memory_map=False)
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, f"can't be read: {error}") from error


def _damaged(path: Path, what: str) -> DatasetError:
    return DatasetError(f"{path}: damaged: {what}", hint="prepare the dataset again")
