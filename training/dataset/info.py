"""What ``dataset.json`` and a shard's JSON say, as frozen values."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from training.types import DatasetError, Split

FORMAT_VERSION = 1
"""Of the folder: another version is refused, never guessed at."""

INFO_NAME = "dataset.json"
STARTED_NAME = "started.json"
SHARDS_NAME = "shards"


@dataclass(frozen=True, slots=True)
class Counts:
    """How many of a split there are. kinds: examples by span kind; languages: by languageId."""

    files: int
    examples: int
    kinds: Mapping[str, int]
    languages: Mapping[str, int]

    @classmethod
    def total(cls, counts: Iterable[Counts]) -> Counts:
        """Add counts up."""
        files = examples = 0
        kinds, languages = Counter[str](), Counter[str]()
        for one in counts:
            files += one.files
            examples += one.examples
            kinds.update(one.kinds)
            languages.update(one.languages)
        return cls(files, examples, dict(sorted(kinds.items())), dict(sorted(languages.items())))


NO_COUNTS = Counts(0, 0, {}, {})


@dataclass(frozen=True, slots=True)
class ShardInfo:
    """A shard that is whole.

    sha256: of what it holds, not of its bytes: another version of Parquet changes nothing.
    files_bytes, examples_bytes: the sizes of its two Parquet files. counts: by split.
    """

    index: int
    sha256: str
    files_bytes: int
    examples_bytes: int
    counts: Mapping[str, Counts]

    def count(self, split: Split) -> int:
        """How many examples of a split it holds."""
        return self.counts.get(split.value, NO_COUNTS).examples


@dataclass(frozen=True, slots=True)
class RepositoryInfo:
    """Where examples come from. files: how many of it were kept."""

    name: str
    commit: str
    licence: str
    files: int


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """All that ``dataset.json`` says.

    settings: of ``fimls prepare``, as JSON. corpus_sha256: of all shards' contents, in order.
    """

    settings: Mapping[str, object]
    seed: int
    code_version: str
    corpus_sha256: str
    repositories: tuple[RepositoryInfo, ...]
    shards: tuple[ShardInfo, ...]
    format_version: int = FORMAT_VERSION

    @property
    def counts(self) -> dict[str, Counts]:
        """The counts of the whole dataset, by split."""
        return {
            split.value: Counts.total(
                shard.counts.get(split.value, NO_COUNTS) for shard in self.shards
            )
            for split in Split
        }

    def to_json(self) -> dict[str, object]:
        """As ``dataset.json`` has it: the fields, and ``counts`` for who reads it."""
        counts = {split: asdict(count) for split, count in self.counts.items()}
        return {"format_version": self.format_version, "counts": counts, **asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> DatasetInfo:
        """The inverse of :meth:`to_json`.

        Raises:
            KeyError, TypeError, ValueError: it isn't what this version writes.
        """
        return cls(
            settings=data["settings"],
            seed=data["seed"],
            code_version=data["code_version"],
            corpus_sha256=data["corpus_sha256"],
            repositories=tuple(RepositoryInfo(**one) for one in data["repositories"]),
            shards=tuple(shard_from_json(one) for one in data["shards"]),
            format_version=data["format_version"],
        )


def shard_from_json(data: Mapping[str, Any]) -> ShardInfo:
    """The inverse of ``asdict(shard)``; raises as :meth:`DatasetInfo.from_json`."""
    counts = {split: Counts(**one) for split, one in data["counts"].items()}
    return ShardInfo(**{**data, "counts": counts})


def read_info(folder: Path) -> DatasetInfo:
    """Read a dataset's ``dataset.json``.

    Raises:
        DatasetError: none there, of another format version, or not readable.
    """
    path = folder / INFO_NAME
    try:
        data = json.loads(path.read_text("utf-8"))
        version = data["format_version"]
    except FileNotFoundError as error:
        begun = (folder / STARTED_NAME).exists()
        raise DatasetError(
            f"{folder}: {'an unfinished dataset' if begun else 'not a dataset'}, "
            f"without {INFO_NAME}",
            hint="finish it with `fimls prepare ... --resume`" if begun else "see `fimls prepare`",
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unreadable(path, error) from error
    if version != FORMAT_VERSION:
        raise DatasetError(
            f"{folder}: a dataset of format version {version}; this fimls reads {FORMAT_VERSION}",
            hint="prepare it again with this version",
        )
    try:
        return DatasetInfo.from_json(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DatasetError:
    return DatasetError(f"{path}: damaged: {error!r}", hint="prepare the dataset again")


def shard_paths(folder: Path, index: int) -> tuple[Path, Path, Path]:
    """A shard's files, its examples, and the JSON that says it is done."""
    base = folder / SHARDS_NAME
    return (
        base / f"{index:05d}.files.parquet",
        base / f"{index:05d}.examples.parquet",
        base / f"{index:05d}.json",
    )
