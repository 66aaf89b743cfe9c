"""What a dataset's folder holds: its JSON files as frozen values, its Parquet files as tables."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from cattrs import BaseValidationError, structure, transform_error

from fimls.types import Snippet
from training.types import CorpusFile, DatasetError, FimExample, Span, SpanKind, Split

FORMAT_VERSION = 1
"""Of the folder: another version is refused, never guessed at."""

INFO_NAME = "dataset.json"
STARTED_NAME = "started.json"
SHARDS_NAME = "shards"


@dataclass(frozen=True, slots=True)
class Counts:
    """How much there is of a split."""

    files: int
    examples: int
    kinds: Mapping[str, int]
    """Examples, by kind of span."""
    languages: Mapping[str, int]
    """Examples, by languageId."""

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
    """A shard that is whole."""

    index: int
    sha256: str
    """Of its contents, not of its bytes: another version of Parquet changes nothing."""
    files_bytes: int
    """Of its Parquet file of files."""
    examples_bytes: int
    """Of its Parquet file of examples."""
    counts: Mapping[str, Counts]
    """By split."""

    def count(self, split: Split) -> int:
        """How many examples of a split it holds."""
        return self.counts.get(split.value, NO_COUNTS).examples


@dataclass(frozen=True, slots=True)
class RepositoryInfo:
    """Where examples come from."""

    name: str
    commit: str
    licence: str
    files: int
    """How many were kept."""


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """All that ``dataset.json`` says."""

    settings: Mapping[str, Any]
    """Of ``fimls prepare``, as JSON."""
    seed: int
    code_version: str
    corpus_sha256: str
    """Of all shards' contents, in order."""
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
        """As ``dataset.json`` has it: the fields, and ``counts`` for people who read it."""
        counts = {split: asdict(count) for split, count in self.counts.items()}
        return {"format_version": self.format_version, "counts": counts, **asdict(self)}


def read_shard_info(path: Path) -> ShardInfo | None:
    """Read a shard's JSON; None where there is none, or not one that this version writes."""
    try:
        return structure(json.loads(path.read_text("utf-8")), ShardInfo)
    except (OSError, ValueError, BaseValidationError):
        return None


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
        raise _damaged(path, repr(error)) from error
    if version != FORMAT_VERSION:
        raise DatasetError(
            f"{folder}: a dataset of format version {version}; this fimls reads {FORMAT_VERSION}",
            hint="prepare it again with this version",
        )
    try:
        return structure(data, DatasetInfo)
    except BaseValidationError as error:
        raise _damaged(path, ", ".join(transform_error(error))) from error


def _damaged(path: Path, what: str) -> DatasetError:
    return DatasetError(f"{path}: damaged: {what}", hint="prepare the dataset again")


def shard_paths(folder: Path, index: int) -> tuple[Path, Path, Path]:
    """A shard's files, its examples, and the JSON that says it is done."""
    base = folder / SHARDS_NAME
    return (
        base / f"{index:05d}.files.parquet",
        base / f"{index:05d}.examples.parquet",
        base / f"{index:05d}.json",
    )


StoredFile = tuple[CorpusFile, Split]
"""A file and what it is used for."""

_PROVENANCE = [
    ("repository", pa.string()),
    ("commit", pa.string()),
    ("path", pa.string()),
    ("licence", pa.string()),
]
FILES = pa.schema(
    [
        *_PROVENANCE,
        ("language_id", pa.string()),
        ("text", pa.large_string()),
        ("split", pa.string()),
    ]
)
SNIPPET = pa.struct(
    [
        ("path", pa.string()),
        ("text", pa.string()),
        ("score", pa.float64()),
        ("source", pa.string()),
    ]
)
# file: the number of its row in the shard's table of files.
EXAMPLES = pa.schema(
    [
        ("file", pa.int32()),
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("kind", pa.string()),
        ("split", pa.string()),
        ("snippets", pa.list_(SNIPPET)),
        *_PROVENANCE,
    ]
)
REPEATED = ["repository", "commit", "licence", "language_id", "kind", "split"]
"""Columns with few different values, which Parquet stores as a dictionary."""


def files_table(files: Sequence[StoredFile]) -> pa.Table:
    """A row for each file, in the order given."""
    rows = [
        {
            "repository": file.repository,
            "commit": file.commit,
            "path": file.path,
            "licence": file.licence,
            "language_id": file.language_id,
            "text": file.text,
            "split": split.value,
        }
        for file, split in files
    ]
    return pa.Table.from_pylist(rows, schema=FILES)


def examples_table(examples: Sequence[FimExample], rows_of: Mapping[CorpusFile, int]) -> pa.Table:
    """A row for each example. rows_of: the number of a file's row in its table."""
    rows = [
        {
            "file": rows_of[one.file],
            "start": one.span.start,
            "end": one.span.end,
            "kind": one.span.kind.value,
            "split": one.split.value,
            "snippets": [
                {"path": each.path, "text": each.text, "score": each.score, "source": each.source}
                for each in one.snippets
            ],
            "repository": one.file.repository,
            "commit": one.file.commit,
            "path": one.file.path,
            "licence": one.file.licence,
        }
        for one in examples
    ]
    return pa.Table.from_pylist(rows, schema=EXAMPLES)


def files_of(table: pa.Table) -> list[StoredFile]:
    """The inverse of :func:`files_table`; raises ValueError for a split that doesn't exist."""
    return [
        (CorpusFile(**{key: row[key] for key in row if key != "split"}), Split(row["split"]))
        for row in table.to_pylist()
    ]


def examples_of(
    table: pa.Table, files: Sequence[StoredFile], rows: Sequence[int]
) -> Iterator[FimExample]:
    """The examples of some rows of a table, in the order of ``rows``.

    Raises (when iterated):
        IndexError, ValueError: a row that isn't what :func:`examples_table` writes.
    """
    for row in table.take(rows).to_pylist():
        file = files[row["file"]][0]
        if not 0 <= row["start"] < row["end"] <= len(file.text):
            raise ValueError(f"{file.path} has no characters {row['start']} to {row['end']}")
        yield FimExample(
            file=file,
            span=Span(row["start"], row["end"], SpanKind(row["kind"])),
            snippets=tuple(Snippet(**one) for one in row["snippets"]),
            split=Split(row["split"]),
        )


def count(files: Sequence[StoredFile], examples: Sequence[FimExample]) -> dict[str, Counts]:
    """How many of each split there are, splits without any left out."""
    by_split = {}
    for split in Split:
        own = [one for one in examples if one.split is split]
        stored = sum(of is split for _, of in files)
        if own or stored:
            kinds = Counter(one.span.kind.value for one in own)
            languages = Counter(one.file.language_id for one in own)
            by_split[split.value] = Counts(
                stored, len(own), dict(sorted(kinds.items())), dict(sorted(languages.items()))
            )
    return by_split


def content_sha256(files: Sequence[StoredFile], examples: Sequence[FimExample]) -> str:
    """The SHA-256 of what a shard holds, the same on every machine and version of Parquet."""
    digest = hashlib.sha256()

    def add(*fields: Any) -> None:
        for field in fields:
            data = str(field).encode("utf-8", "surrogatepass")
            digest.update(f"{len(data)}:".encode() + data)

    for file, split in files:
        add("file", file.repository, file.commit, file.path, file.licence, file.language_id)
        add(split.value, file.text)
    for one in examples:
        add("example", one.file.repository, one.file.path, one.span.start, one.span.end)
        add(one.span.kind.value, one.split.value, len(one.snippets))
        for each in one.snippets:
            add(each.path, each.text, each.score, each.source)
    return digest.hexdigest()
