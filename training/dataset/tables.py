"""Between training's values and Arrow's tables."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from fimls.types import Snippet
from training.dataset.info import Counts
from training.types import CorpusFile, FimExample, Span, SpanKind, Split

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
